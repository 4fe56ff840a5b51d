"""Every duration, interval and count by which a purchase and its job are timed."""

from __future__ import annotations

from typing import Final

# --- status checks

#: Seconds between two status checks, at least. No vendor asks for less.
MIN_POLL_SECONDS: Final = 5.0
#: Seconds from the purchase to the first status check, at least. Airflow may notice up to six seconds late
#: that the process of a deferred task has ended. If the trigger fires before that, Airflow takes the end of
#: the process for the end of the task.
FIRST_POLL_SECONDS: Final = 8.0
#: Seconds between two status checks of a job with no expected duration, at least. From eighty seconds on the
#: share below is more, and a shorter job is not worth twice the status checks.
MIN_POLL_SECONDS_WITHOUT_ESTIMATE: Final = 8.0
#: Seconds between two status checks, at most: no job that is ready waits longer.
MAX_POLL_SECONDS: Final = 120.0
#: The next status check comes after this share of the time that the job has taken by now, so that waiting
#: adds no more than this share to any job, short or long.
POLL_SHARE_OF_ELAPSED: Final = 0.099
#: Seconds until status checks begin, at most, however long such jobs have taken by now.
MAX_FIRST_POLL_SECONDS: Final = 900.0
#: A lower progress (0 to 1) counts as this one. The first few per cent say little about the rest, and an
#: estimate made from them would leave the job unchecked for too long.
MIN_PROGRESS: Final = 0.25
#: How many status checks may contradict one another before the status counts as unreadable.
MAX_CONTRADICTIONS: Final = 10
#: Seconds taken from a vendor's Retry-After to a status check, at most: one odd header must not leave a job
#: unchecked for hours.
MAX_RETRY_AFTER_SECONDS: Final = 900.0

# --- status checks beside a webhook

#: Seconds between two status checks, at least, of a job whose vendor calls when it has ended: they only find
#: the jobs whose call is lost. The default of ``[vidai] poll_with_webhook``.
SAFETY_NET_SECONDS: Final = 120.0
#: They begin after this share of the job's expected duration.
SAFETY_NET_STARTS_AT: Final = 1.5
#: Seconds for which a task waits, at least, before a call wakes it: Airflow notices the end of its process
#: late, as it does before the first status check. It doubles with each call that was wrong.
WAKE_AFTER_SECONDS: Final = FIRST_POLL_SECONDS
#: Seconds to which that wait grows, at most.
MAX_WAKE_AFTER_SECONDS: Final = 600.0

# --- what a person sees meanwhile

#: Seconds after which the log and the XCom ``progress`` say again how a job stands. A person who watches
#: should never see half a minute go by without a sign of life, and a line may be some seconds late.
REPORT_SECONDS: Final = 25.0
#: An estimate of how much is done goes up to this share: only the vendor knows when a job is done.
MAX_ESTIMATE: Final = 0.95
#: A line states the deadline when it is at most this many seconds away.
DEADLINE_SHOWN_SECONDS: Final = 300.0

# --- sending a purchase

#: Seconds of a rate limit that a task sleeps through; for a longer one it gives its worker back.
MAX_SLEEP_SECONDS: Final = 60.0
#: How often one try sends a purchase that the vendor refuses without processing it.
MAX_SENDS: Final = 5
#: Seconds between the attempts to record a purchase that was made; after the last one the task goes on
#: without a record. Short, because a worker that is killed meanwhile leaves only the log.
RECORD_RETRY_PAUSES: Final = (0.5, 2.0, 5.0)
#: Seconds for which a try waits for the ledger's storage while it has sent nothing. A try that fails then
#: costs one of the task's retries, so it outlasts a restart of the storage.
LEDGER_PATIENCE_SECONDS: Final = 120.0
#: Seconds before the first repetition of a read or write of the ledger; each further pause is twice as long.
LEDGER_PAUSE_SECONDS: Final = 1.0
#: Seconds between two such repetitions, at most.
MAX_LEDGER_PAUSE_SECONDS: Final = 15.0
#: Seconds for which a purchase with an unknown outcome is looked up, where the vendor allows it
#: (VIDIO's renders).
LOOKUP_SECONDS: Final = 60.0
#: Seconds between two lookups.
LOOKUP_INTERVAL_SECONDS: Final = 5.0
#: Seconds between two readings of the account's books, after a purchase whose answer was lost. They must say
#: the same :data:`~.search.STILL_READINGS` times, so a purchase that the vendor processes more than two
#: minutes after its answer was lost is not noticed.
SEARCH_STEP_SECONDS: Final = 60.0
#: How often the books are read at most: other purchases of the account may take a while to end.
MAX_SEARCH_READINGS: Final = 15
#: Seconds before the purchase from which on a usage history is read: longer than clocks differ.
HISTORY_SECONDS: Final = 600.0
#: Seconds by which this machine's clock may differ from the vendor's, where a new day fills up an allowance.
CLOCKS_DIFFER: Final = 60.0
DAY_SECONDS: Final = 86400.0

# --- waiting for a rate limit

#: Growth factor for repeated rate-limit waits.
RATE_WAIT_GROWTH: Final = 1.25
#: Seconds to which a repeated rate-limit wait grows, at most.
MAX_RATE_WAIT_SECONDS: Final = 600.0
#: The share of a repeated rate-limit wait that is added at random, at most. Tasks that were refused together
#: must not come back together every time.
RATE_WAIT_JITTER: Final = 0.5
