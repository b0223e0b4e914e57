"""Networks, weights, text encoding, the training loop on tensors, metrics; torch and no other package of ours.

Threads that wait for each other look a few microseconds long and then sleep: where another process is at work on the
same cores, a pair that spins made an epoch of 1.8 s last 60 to 100 s, and a pair that sleeps at once takes up to twice
as long on quiet ones. It must be said before torch is loaded; the number is for libgomp, which torch's wheels bring.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
