"""The double of an API server that the explorer uses, held against the real one."""

import os
import subprocess

from lab import ROOT
from registry import scenario


@scenario("double-conforms", sample=True)
def double_conforms(lab):
    """What the explorer's double claims about API servers is true of this one."""
    command = ["cargo", "test", "--quiet", "--locked", "--test", "explorer", "an_api_server_behaves_like_the_double"]
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, "KUBECONFIG": lab.kubeconfig}, capture_output=True, text=True)
    assert result.returncode == 0 and "1 passed" in result.stdout, f"{result.stdout[-3000:]}\n{result.stderr[-1000:]}"
