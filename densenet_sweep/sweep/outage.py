"""When the study's storage was last out of reach; imports nothing, since leases ask for it."""


class Outage:
    """When the storage of this process last came back, by `time.time`; 0 where it was never away."""

    ended = 0.0
