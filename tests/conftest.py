"""The libraries keep quiet in tests as they do under the command line, and all is on the CPU.

What is equal to the bit there need not be on a GPU, and a machine that has one tests the same.
"""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before anything asks what there is

from haiga.cli import quiet

quiet()
