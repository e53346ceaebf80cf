"""What stands in the way of a run on this machine, and how to mend it.

::

    examination ──▶ connection    the key, the queue, the platform, the clock
                ├─▶ storage       the folder, its disk, its locks
                ├─▶ machine       versions, open files
                └─▶ history       what is on record about one batch
                        │
                        ▼
                     finding
"""

from batchgen.doctor.examination import Examination, examine
from batchgen.doctor.finding import Finding, Grade

__all__ = ["Examination", "Finding", "Grade", "examine"]
