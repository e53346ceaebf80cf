"""Locked accounts: the three texts of the 403, and a lock that lasts until it is lifted.

Source:
    Protocol notes, sections 5.3 and 12: the lock is account-wide and hits submissions, comes
    and goes, and status reads were seen to go on under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LOCK_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "balance": "User is locked. Reason: Exhausted balance. "
        "Top up your balance at fal.ai/dashboard/billing.",
        "top_up": "User is locked. Reason: TOP_UP.",
        "admin": "User is locked. Reason: Admin lock. Please contact support@fal.ai",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock on the account.

    Attributes:
        text: What the 403 says.
        reads: Whether reads are refused too.
    """

    text: str = LOCK_TEXTS["balance"]
    reads: bool = False
