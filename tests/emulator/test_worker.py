import asyncio
import threading

import pytest

from agent.emulator.worker import Worker


def test_jobs_run_one_after_the_other_in_one_thread() -> None:
    async def body() -> None:
        worker = Worker()
        names = await asyncio.gather(*(worker.run(threading.get_ident) for _ in range(5)))
        assert len(set(names)) == 1
        assert names[0] != threading.get_ident()
        worker.close()

    asyncio.run(body())


def test_an_error_comes_back_and_the_next_job_runs() -> None:
    async def body() -> None:
        worker = Worker()
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        assert await worker.run(lambda: 7) == 7
        worker.close()

    asyncio.run(body())


def test_who_gives_up_waiting_leaves_the_line() -> None:
    async def body() -> None:
        worker, gate = Worker(), threading.Event()
        done: list[int] = []
        first = asyncio.create_task(worker.run(gate.wait, 5))
        second = asyncio.create_task(worker.run(done.append, 1))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0)
        gate.set()
        assert await first
        assert await worker.run(lambda: 2) == 2
        assert done == []
        worker.close()

    asyncio.run(body())
