"""Puts the compiled kernels into the wheel; everything else is in pyproject.toml.

Without a compiler the wheel is pure Python, and the kernels are compiled on first use, where there
is one. An editable installation compiles nothing.
"""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent))
from harness.convs.native.compiler import (
    ARCHITECTURES,
    BUILT,
    HERE,
    CompileError,
    compile_kernels,
    file_name,
    find_compiler,
)

PACKAGE = HERE.parents[2]


class BuildKernels(build_py):
    """The modules, and a library for each instruction set that the compiler knows."""

    def run(self):
        super().run()
        self.distribution.kernels = []
        if self.editable_mode:
            return
        target = Path(self.build_lib, BUILT.relative_to(PACKAGE))
        shutil.rmtree(target, ignore_errors=True)  # what an earlier build left
        self.distribution.kernels = [name for name in ARCHITECTURES if self._compiled(name, target)]

    def _compiled(self, instruction_set, target):
        compiler = find_compiler()
        try:
            if compiler is None:
                raise CompileError("no C++ compiler was found")
            compile_kernels(compiler, instruction_set, target / file_name(instruction_set))
        except CompileError as error:
            self.warn(f"the wheel has no {instruction_set} kernels: {error}")
            return False
        return True


class PlatformWheel(bdist_wheel):
    """For any Python, and for this platform alone if there are kernels in it."""

    def get_tag(self):
        self.root_is_pure = not getattr(self.distribution, "kernels", [])
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(cmdclass={"build_py": BuildKernels, "bdist_wheel": PlatformWheel})
