"""The rule: what happens, given an account, a request and the current time.

Standard library only. No function here reads a clock, a table or a setting:
`now` (ms) and the plans are arguments, and the result is a new `Account` or an
error that carries data. `streams.storage` turns each decision into one
conditional write, and property tests compare the two.
"""

from streams.rules.accounts import Account as Account
from streams.rules.accounts import Admission as Admission
from streams.rules.accounts import empty_account as empty_account
from streams.rules.endings import end_all as end_all
from streams.rules.endings import forget as forget
from streams.rules.endings import override as override
from streams.rules.endings import stop as stop
from streams.rules.history import room_for_endings as room_for_endings
from streams.rules.holders import read as read
from streams.rules.immutable import immutable as immutable
from streams.rules.leases import EPOCHS_PER_MS as EPOCHS_PER_MS
from streams.rules.leases import JUDGED_PACE as JUDGED_PACE
from streams.rules.leases import NOTHING_GRANTED as NOTHING_GRANTED
from streams.rules.leases import Ending as Ending
from streams.rules.leases import Entitlement as Entitlement
from streams.rules.leases import Hold as Hold
from streams.rules.leases import Lease as Lease
from streams.rules.leases import Metadata as Metadata
from streams.rules.leases import Pace as Pace
from streams.rules.leases import Reason as Reason
from streams.rules.leases import StartRequest as StartRequest
from streams.rules.leases import StoredFields as StoredFields
from streams.rules.leases import last_epoch_of as last_epoch_of
from streams.rules.plans import ATTRIBUTES as ATTRIBUTES
from streams.rules.plans import MAX_SKEW_MS as MAX_SKEW_MS
from streams.rules.plans import UNLIMITED as UNLIMITED
from streams.rules.plans import Plan as Plan
from streams.rules.plans import Plans as Plans
from streams.rules.plans import Rule as Rule
from streams.rules.plans import StartRate as StartRate
from streams.rules.plans import WhenFull as WhenFull
from streams.rules.renewals import renew as renew
from streams.rules.renewals import with_pace as with_pace
from streams.rules.starts import find_admission as find_admission
from streams.rules.starts import is_plain_start as is_plain_start
from streams.rules.starts import start as start
