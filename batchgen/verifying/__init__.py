"""Hold a batch's ledger, journal and files against each other; mend without paying.

::

    tables ──▶ can both be read?        books ──▶ do they say the same?
                    │                                │
                    ▼                                ▼
              inspection ◀── files (are they there, whole, ours?)
                    │
                    ▼
                mending      what the journal and the files can put right
"""

from batchgen.verifying.finding import Finding, Group, Kind, Verification
from batchgen.verifying.verify import repair_batch, verify_batch

__all__ = ["Finding", "Group", "Kind", "Verification", "repair_batch", "verify_batch"]
