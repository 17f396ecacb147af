import pytest

from agent.emulator.accounts import Accounts, ScriptedAccount, ScriptedWorkspace, stable_id
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from agent.errors import ConfigError


def accounts() -> Accounts:
    return Accounts(Store(None, TABLES))


def test_an_account_begins_to_exist_when_it_is_asked_for() -> None:
    known = accounts()
    anna = known.get("anna")
    assert anna.user_name == anna.nick_name == "anna"
    assert known.by_user_id(anna.user_id) == anna
    assert known.by_user_id("1") is None
    assert known.names() == ["anna"]
    assert [space.workspace_type for space in known.workspaces("anna")] == ["personal"]


def test_ids_are_the_same_everywhere_and_look_like_the_platforms() -> None:
    assert accounts().get("anna").user_id == accounts().get("anna").user_id
    assert accounts().get("anna").user_id != accounts().get("berta").user_id
    assert 7.4e18 <= int(stable_id("user", "x")) < 7.6e18 < 2**63
    assert accounts().get("4400000000000000001").user_id == "4400000000000000001"


def test_a_script_declares_accounts_and_workspaces() -> None:
    known = accounts()
    known.declare(
        [ScriptedAccount("anna", nick_name="Anna", enterprise_id="volcano_1")],
        [ScriptedWorkspace("71", "Lab", "anna", "admin"), ScriptedWorkspace("72", account="b")],
    )
    assert known.get("anna").nick_name == "Anna"
    assert known.get("anna").enterprise_id == "volcano_1"
    spaces = [(space.name, space.role_type) for space in known.workspaces("anna")]
    assert spaces == [("Personal", "owner"), ("Lab", "admin")]
    assert [space.name for space in known.workspaces("b")] == ["Personal", "72"]


def test_a_script_is_told_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="needs a name"):
        accounts().declare([ScriptedAccount()], [])
    with pytest.raises(ConfigError, match="id of digits"):
        accounts().declare([], [ScriptedWorkspace("lab")])
