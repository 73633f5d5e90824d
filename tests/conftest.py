"""What holds for every test: threads of torch that wait, not spin, on cores that other tests use too."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
