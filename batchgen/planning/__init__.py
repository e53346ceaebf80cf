"""What a run would do and what it would cost, before it is run: no network, no key.

::

    making ─▶ counting ─▶ census   draws the manifest once: what a run does about each job
      │ ──▶ folding · changes      what is the same as another, what an edit leaves behind
      │ ──▶ neighbours             the same jobs, paid for under another name
      │ ──▶ past · disk · prices   how large, how fast, how dear
      └───▶ warning                what is probably not meant, the dearest first
"""

from batchgen.planning.census import Census, Line
from batchgen.planning.counting import Counting
from batchgen.planning.making import make_plan
from batchgen.planning.plan import Plan
from batchgen.planning.reason import Reason

__all__ = ["Census", "Counting", "Line", "Plan", "Reason", "make_plan"]
