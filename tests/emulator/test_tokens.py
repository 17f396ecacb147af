import pytest

from agent.emulator.tokens import Denial, TokenPolicy


def refusal(policy: TokenPolicy, authorization: str | None) -> tuple[int, int]:
    with pytest.raises(Denial) as caught:
        policy.admit(authorization)
    return caught.value.status, caught.value.code


def test_any_bearer_comes_in() -> None:
    grant = TokenPolicy().admit("Bearer pat_x")
    assert (grant.token, grant.account) == ("pat_x", "default")
    assert TokenPolicy().admit("bearer  y ").token == "y"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer  ", "pat_x", "Basic x", "Bearer badx"]
)
def test_others_are_told_that_authentication_is_invalid(header: str | None) -> None:
    assert refusal(TokenPolicy(), header) == (401, 4100)


def test_listed_tokens() -> None:
    policy = TokenPolicy(
        accepted=frozenset({"a"}), refused=frozenset({"r"}), forbidden=frozenset({"f"})
    )
    assert policy.admit("Bearer a").token == "a"
    assert refusal(policy, "Bearer other") == (401, 4100)
    assert refusal(policy, "Bearer r") == (401, 4100)
    assert refusal(policy, "Bearer f") == (403, 4101)


def test_accounts_keep_owners_apart() -> None:
    assert TokenPolicy(accounts={"a": "anna"}).admit("Bearer a").account == "anna"


@pytest.mark.parametrize(("bot", "code"), [("unknown7", 4006), ("unpublished", 4015)])
def test_bots_that_cannot_be_talked_to(bot: str, code: int) -> None:
    with pytest.raises(Denial) as caught:
        TokenPolicy().check_bot(bot)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_an_empty_prefix_refuses_nobody() -> None:
    policy = TokenPolicy(refused_prefix="", unknown_bot_prefix="", unpublished_bot_prefix="")
    policy.admit("Bearer bad")
    policy.check_bot("unknown")
