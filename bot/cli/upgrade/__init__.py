"""``sugarbot upgrade``: the steps of an upgrade, and what a start of this version would do."""
