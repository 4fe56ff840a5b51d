"""How fast one process may check the jobs of one account: pure, with time as an argument.

The connection's setting, or the vendor's published limit, is only where it starts. Several triggerers, other
programs and people share the account, and no process sees the others. What the vendor answers is the only
thing that all of them see, so the rate follows it.
"""

from __future__ import annotations

from typing import Final

#: The share of the limit that is used. The vendor counts arrivals within any 60 s. Calls that were sent at
#: even distances may arrive up to 3 s late, and then 63 s' worth of them fall within one minute: 60/63 is
#: 0.952.
USED: Final = 0.95
#: Seconds over which the queue of a pause is spread at most. Status checks that queued during a pause are
#: sent over as long again as the pause lasted, because all at once they would only be refused again. After a
#: long pause a minute is enough for that: limits are counted by the minute.
LONGEST_SPREAD: Final = 60.0
#: A refusal leaves this share of the rate.
SLOWED_TO: Final = 0.75
#: Seconds for which a refusal changes nothing after one that did: a single moment of too many calls brings
#: many refusals.
SLOWED_FOR: Final = 15.0
#: Status checks per minute that the rate regains in every minute, and the share of the rate that this is at
#: most. Together with the two figures above, any number of processes come to equal shares of the limit. The
#: share matters where there are many of them: ten processes with 8 a minute each must not regain 30 together.
REGAINED: Final = 3.0
REGAINED_SHARE: Final = 0.15
#: Seconds for which nothing is sent after a refusal that does not say how long to wait. They double, up to
#: the second figure, while each further check is refused: until calls leave the vendor's minute, all are.
HELD_FOR: Final = 4.0
LONGEST_HELD: Final = 32.0
#: Status checks per minute that no number of refusals takes away.
LEAST: Final = 3.0
#: The same for the first refusal where no limit is known and little was sent: it may be about something else.
LEAST_TO_BEGIN_WITH: Final = 30.0
#: When less than this share of the limit is left, that slows down like a refusal, before anything is refused.
#: A process that has the account for itself leaves more.
SCARCE: Final = 0.03
#: Seconds without a refusal after which an account with no known limit has none again: what was too much then
#: says little about the next burst.
FORGOTTEN_AFTER: Final = 3600.0
#: Seconds without a refusal that end a throttled period, which is logged once. At the limit itself a refusal
#: comes every few minutes.
PERIOD_ENDS_AFTER: Final = 600.0


class Rate:
    """The rate of one account's status checks in one process.

    :param per_minute: the limit to begin with; None for no limit, until the vendor refuses.
    """

    def __init__(self, per_minute: float | None) -> None:
        #: When the next status check may be sent.
        self.free_at = 0.0
        self._limit = per_minute or None
        self._most = USED * per_minute if per_minute else None
        self._slowed: float | None = None
        self._slowed_at = self._refused_at = float("-inf")
        self._recent, self._sent_at = 0.0, 0.0
        self._paused, self._spread, self._spread_gap = 0.0, 0, 0.0
        self._held, self._held_until = 0.0, float("-inf")

    def per_minute(self, now: float) -> float | None:
        """Return the status checks per minute that may be sent now; None for no limit."""
        if self._slowed is None:
            return self._most
        regained = min(REGAINED, REGAINED_SHARE * self._slowed) * (now - self._slowed_at) / 60
        if self._most is not None:
            return min(self._slowed + regained, self._most)
        if now - self._refused_at >= FORGOTTEN_AFTER:
            return None
        return self._slowed + regained

    def taken(self, now: float, waiting: int) -> None:
        """Count a status check that is sent now.

        :param waiting: how many wait for their turn, this one included; 0 when it did not have to wait.
        """
        self._recent = self._recent * max(1 - (now - self._sent_at) / 60, 0.0) + 1
        self._sent_at = now
        rate = self.per_minute(now)
        gap = 60 / rate if rate else 0.0
        if self._paused:
            # Only those that queued by now are spread. Later callers queue behind them, and then get the
            # usual distance. A pause during which nobody queued has nothing to spread.
            self._spread = waiting
            self._spread_gap = min(self._paused, LONGEST_SPREAD) / waiting if waiting else 0.0
            self._paused = 0.0
        self._spread = max(self._spread - 1, 0)
        self.free_at = now + (max(gap, self._spread_gap) if self._spread else gap)

    def refused(self, pause: float, now: float) -> bool:
        """Send fewer from now on, because the vendor refused a status check.

        :param pause: for how many seconds the vendor asked to send none; 0 when it did not say.
        :returns: whether this begins a throttled period, so that one line in the log is enough for it.
        """
        begins = now - self._refused_at >= PERIOD_ENDS_AFTER
        self._refused_at = now
        # One pause may be all that the vendor wants. Where the next follows soon, the rate is the reason.
        if not (pause and begins):
            self._slow(now)
        if pause and now + pause > self.free_at:
            self.free_at, self._paused = now + pause, pause
        elif not pause:
            self._hold(now)
        return begins

    def answered(self) -> None:
        """Note that a status check was not refused."""
        self._held = 0.0

    def _hold(self, now: float) -> None:
        """Send nothing for a while."""
        # Those that were on their way when the first of them was refused say nothing new.
        if now < self._held_until:
            return
        self._held = min(2 * self._held or HELD_FOR, LONGEST_HELD)
        self._held_until = now + self._held
        self.free_at = max(self.free_at, self._held_until)

    def _slow(self, now: float) -> bool:
        """Slow down; return False when that was done a moment ago."""
        if now - self._slowed_at < SLOWED_FOR:
            return False
        # With no limit known, what was sent within the last minute was too much.
        rate = self.per_minute(now)
        if rate is None:
            self._slowed = max(SLOWED_TO * self._recent, LEAST_TO_BEGIN_WITH)
        else:
            self._slowed = max(SLOWED_TO * rate, LEAST)
        self._slowed_at = now
        return True

    def left(self, count: int, now: float) -> None:
        """Note how many more the vendor allows at the moment, to all processes together."""
        if self._limit is None or count >= SCARCE * self._limit or not self._slow(now):
            return
        # Of what all processes sent within the last minute, its own share is this one's from now on. Many
        # processes that start at once find their rates so, before the first refusals.
        share = self._recent / (self._limit - count)
        self._slowed = max(min(self._slowed or 0.0, USED * self._limit * share), LEAST)
