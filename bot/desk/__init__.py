"""The use cases: accept, draw, deliver, cancel, switch, history."""
