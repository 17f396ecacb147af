"""Local tools the platform asks for in the middle of a turn."""

from __future__ import annotations

from agent.dialog.actions import RunTools, State, SubmitTools
from agent.dialog.core import Core
from agent.dialog.events import ToolFinished, ToolsRequested
from agent.dialog.turn import ToolRound


def tools_requested(core: Core, event: ToolsRequested) -> None:
    t = event.t
    if not core.claim(t, event.chat_id):
        return
    turn = core.turn
    if turn is None or turn.server_ended:
        return
    core.alive(t)
    if core.tools is None:
        core.tools = ToolRound(event.chat_id)
    calls = core.tools.add(event.calls)
    if not calls:
        return
    core.emit(RunTools(event.chat_id, calls))
    if core.state is not State.TOOL:
        core.enter(t, State.TOOL, t + core.settings.tool_s)


def tool_finished(core: Core, event: ToolFinished) -> None:
    tools = core.tools
    if core.state is not State.TOOL or tools is None or tools.chat_id != event.chat_id:
        return
    if tools.finished(event.output) and tools.complete:
        submit_tools(core, event.t)


def submit_tools(core: Core, t: float) -> None:
    """Hand over what there is; the platform goes on with the same chat."""
    if core.tools is None:
        return
    core.emit(SubmitTools(core.tools.chat_id, core.tools.take()))
    core.enter(t, State.THINKING, core.answer_deadline(t))
