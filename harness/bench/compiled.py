"""torch.compile with frozen weights, where a C++ compiler works; asked first, in a process that
can be given up, because a broken toolchain fails late and a stuck one not at all.
"""

import subprocess
import sys
from functools import cache

import torch
from torch import Tensor, nn

from harness.bench.race import Call
from harness.errors import UserError

SECONDS = 240
PROBE = """
import torch
torch.set_num_threads(1)
torch._inductor.config.compile_threads = 1
print(torch.compile(lambda x: (x + 1).relu() * 2)(torch.zeros(64)).sum().item())
"""


@cache
def uncompilable() -> str | None:
    """Why torch.compile does not work here, or None."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"torch.compile was not done after {SECONDS} s"
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return f"torch.compile failed: {said[-1] if said else done.returncode}"


def frozen(network: nn.Module, x: Tensor) -> Call:
    """The network for inputs like `x` as inductor's freezing leaves it: weights packed, batch
    normalisation folded, ReLU fused. Compiled on return; UserError where nothing compiles.
    """
    why = uncompilable()
    if why is not None:
        raise UserError(why)
    from torch._inductor import config  # half a second, for those who ask

    with config.patch(freezing=True, compile_threads=1), torch.no_grad():
        compiled = torch.compile(network.eval(), fullgraph=True)
        try:
            compiled(x)
        except Exception as error:  # of its many kinds, each a network that it cannot compile
            said = str(error).strip().splitlines()
            why = said[0] if said else type(error).__name__
            raise UserError(f"torch.compile failed: {why}") from error
    return lambda: compiled(x)
