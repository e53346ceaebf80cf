"""The queue API on loopback, and how it misbehaves: a second reading of the protocol.

::

    server ──▶ queue_api · platform_api · image_host · admin_api     what is asked
                    │ responder, status_stream                       how it is answered, or not
                    ▼
               service ──▶ line (who waits, who runs) · memory (what a restart knows) · faults
                    │
                    ▼
               outcome ──▶ schema · failure · bill ; shapes · studio ──▶ picture · size
"""

from batchgen.simulator.answer import canonical
from batchgen.simulator.catalogue import FAULTS
from batchgen.simulator.fault import Fault, Kind
from batchgen.simulator.faults import Faults
from batchgen.simulator.request import Ending, Phase, Request
from batchgen.simulator.script import ScriptLine, load_script, parse_rates
from batchgen.simulator.server import Simulator
from batchgen.simulator.settings import SimulatorSettings
from batchgen.simulator.tally import Tally

__all__ = [
    "FAULTS",
    "Ending",
    "Fault",
    "Faults",
    "Kind",
    "Phase",
    "Request",
    "ScriptLine",
    "Simulator",
    "SimulatorSettings",
    "Tally",
    "canonical",
    "load_script",
    "parse_rates",
]
