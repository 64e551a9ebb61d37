"""`python -m haiga`, and with several processes `torchrun --nproc-per-node 2 -m haiga`."""

import sys

from haiga.cli import main

if __name__ == "__main__":
    sys.exit(main())
