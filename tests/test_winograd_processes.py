"""The native kernels in processes of their own: compiled, threaded, forked, and for a long time."""

import subprocess
import sys
from textwrap import dedent

import pytest
from winograd_cases import needs_native

pytestmark = needs_native

START = """
import os, sys, threading
import torch
from torch import nn
from harness.convs.algorithms.winograd import Winograd
torch.manual_seed(0)
torch.set_num_threads(2)
"""


def run(program, *arguments, timeout=200):
    done = subprocess.run(
        [sys.executable, "-c", START + dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles_whole_with_gradients(backend, depth):
    """In a process without the type checks of tests, which are not to be compiled."""
    program = """
    for kind, dimensions in ((nn.Conv2d, 2), (nn.Conv3d, 3)):
        new = Winograd().replace(kind(3, 4, 3, padding=1))
        compiled = torch.compile(new, backend=sys.argv[1], fullgraph=True)
        for batch in (2, 3):  # in the second, the batch is a symbol
            x = torch.randn(batch, 3, *[6] * dimensions, requires_grad=True)
            ours, theirs = compiled(x), new(x)
            torch.testing.assert_close(ours, theirs)
            inputs = [x, *new.parameters()]
            grads = [torch.autograd.grad(y.square().sum(), inputs) for y in (ours, theirs)]
            torch.testing.assert_close(*grads)
            with torch.no_grad():
                torch.testing.assert_close(compiled(x), new(x))
        torch.compiler.reset()
    """
    if backend == "inductor" and not depth(False, True):
        pytest.skip("it compiles for half a minute: make soak")
    run(program, backend)


def test_threads_of_one_process_get_the_same_bits():
    """Of the same module, which keeps its weights, and of others with other tiles, all at once."""
    program = """
    from concurrent.futures import ThreadPoolExecutor
    modules = [
        Winograd(tile=tile).replace(nn.Conv3d(20, 40, 3, padding=1)).eval() for tile in (2, 4)
    ]
    inputs = [torch.randn(2, 20, n, 9, 9) for n in (2, 5)]

    def work(i):
        torch.set_num_threads(1 + i % 2)
        new, x = modules[i // 2 % 2], inputs[i // 4 % 2].clone().requires_grad_()
        with torch.no_grad():
            kept = new(x)
        y = new(x)
        return kept, y.detach(), *torch.autograd.grad(y.sum(), [x, new.weight])

    alone = [work(i) for i in range(8)]
    with ThreadPoolExecutor(6) as pool:
        for i, result in enumerate(pool.map(work, list(range(8)) * 6)):
            assert all(map(torch.equal, result, alone[i % 8]))
    """
    run(program)


def test_threads_are_as_many_as_torch_was_told():
    program = """
    torch.set_num_threads(1)

    def threads():
        return len(os.listdir("/proc/self/task"))

    new = Winograd(tile=4).replace(nn.Conv2d(64, 64, 3, padding=1))
    x = torch.randn(4, 64, 28, 28)  # channels last: torch, too, has nothing to copy
    x = x.contiguous(memory_format=torch.channels_last)
    before = threads()  # this one alone, so far
    for count in (1, 2):
        torch.set_num_threads(count)
        with torch.no_grad():
            new(x)
        print(threads() - before)
    """
    assert run(program) == ["0", "1"]


def test_a_child_of_a_process_that_used_threads_computes():
    """The threads of a pool do not survive fork(), whoever used them: both sides start anew."""
    program = """
    new = Winograd().replace(nn.Conv2d(32, 64, 3, padding=1)).eval().requires_grad_(False)
    x = torch.randn(2, 32, 28, 28)
    large = torch.randn(2000, 2000)

    def work():
        return new(x).numpy().tobytes(), (large * 2).sum().item()  # the second by PyTorch alone

    def threads():
        return len(os.listdir("/proc/self/task"))

    expected = work()
    assert threads() > 1
    for _ in range(2):
        child = os.fork()
        if child == 0:
            alone = threads() == 1
            os._exit(0 if alone and work() == expected and threads() == 2 else 3)
        assert work() == expected
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run(program, timeout=60) == ["0", "0"]


def test_memory_does_not_grow(depth):
    program = """
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    new = Winograd().replace(nn.Conv2d(32, 64, 3, padding=1))
    optimizer = torch.optim.SGD(new.parameters(), lr=1e-3)

    def step(i):
        x = torch.randn(4, 32, 14 + i % 3, 14, requires_grad=True)
        new.train()(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            new.eval()(x)

    for i in range(20):
        step(i)
    before = resident()
    for i in range(int(sys.argv[1])):
        step(i)
    print(resident() - before)
    """
    [grown] = run(program, depth(100, 1000), timeout=300)
    assert float(grown) < 8, f"{grown} MB"


def test_memory_that_there_is_not_is_an_error(monkeypatch):
    """In a thread of the pool too, where an exception would end the process."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # no thread has address space in store
    program = """
    import resource
    from harness.convs.algorithms import winograd_calls
    x, weight = torch.randn(2, 64, 40, 40), torch.randn(64, 64, 3, 3)
    x = x.contiguous(memory_format=torch.channels_last)
    winograd_calls.convolve(x, weight, (1, 1), (2, 2))  # starts the other thread
    torch.set_num_threads(1)
    winograd_calls.convolve(x, weight, (1, 1), (4, 4))  # this thread has its memory; that one not
    torch.set_num_threads(2)
    used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**19,) * 2)
    try:
        winograd_calls.convolve(x, weight, (1, 1), (4, 4))
    except (MemoryError, RuntimeError) as error:
        print(type(error).__name__)
    """
    assert run(program) == ["MemoryError"]
