"""`augment`, whose training fails at its fifth step: FAIL_RANK says where, FAIL_AS how."""

import os
import signal
import time

from augment.generators import training
from pipeline.cli import main

take_step = training._Run._take_step


def fail(run: training._Run) -> None:
    if run.step == 4 and run.fabric.global_rank == int(os.environ["FAIL_RANK"]):
        match os.environ["FAIL_AS"]:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "error":
                print(1 / 0)
            case "unnoticed":
                os.kill(os.getpid(), signal.SIGKILL)
    elif run.step == 4 and os.environ["FAIL_AS"] == "unnoticed":
        time.sleep(1000)
    take_step(run)


training._Run._take_step = fail  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
