"""Networks, weights, text encoding, the training loop on tensors, metrics; torch and no other package of ours.

Threads that wait for each other sleep instead of spinning: where another process is at work on the same cores, a
spinning pair of threads made an epoch of 1.8 s last 60 to 100 s. It must be said before torch is loaded.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
