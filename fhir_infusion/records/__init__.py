"""The internal records: what we mean by an infusion order and an administration. Pure: no clock, no ids, no I/O."""
