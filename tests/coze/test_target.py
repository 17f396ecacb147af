import pytest

from agent.coze.target import Target
from agent.errors import ConfigError


class TestTarget:
    def test_the_voice_chat_of_a_platform(self):
        target = Target.chat("wss://ws.coze.cn/", bot_id="7", token="pat_x", device_id="12")
        assert target.url == "wss://ws.coze.cn/v1/chat?bot_id=7&device_id=12"
        assert (target.host, target.port, target.secure) == ("ws.coze.cn", 443, True)

    def test_the_place_for_messages(self):
        assert Target("ws://[::1]:8/x").place == "[::1]:8"
        assert Target("ws://localhost/x").place == "localhost:80"

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "ws.coze.cn",
            "https://ws.coze.cn/v1/chat",
            "wss:///v1/chat",
            "wss://host:port/",
            "wss://host:99999/",
            "wss://user:secret@host/",
            "wss://host/?authorization=Bearer%20secret",
            "wss://host/\u4e2d",
        ],
    )
    def test_what_is_no_address_is_refused_without_showing_secrets(self, url):
        with pytest.raises(ConfigError) as caught:
            Target(url, "pat_x")
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "tök"])
    def test_a_token_that_is_none_is_refused(self, token):
        with pytest.raises(ConfigError):
            Target("wss://host/", token)

    @pytest.mark.parametrize("host", ["ws.coze.cn", "8.8.8.8", "[2001:4860:4860::8888]"])
    def test_no_token_goes_unencrypted_over_the_internet(self, host):
        with pytest.raises(ConfigError, match="unencrypted"):
            Target(f"ws://{host}/", "pat_x")
        assert Target(f"ws://{host}/").token == ""

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "192.168.1.5", "pi.local", "[::1]"])
    def test_an_emulator_nearby_may_be_plain(self, host):
        assert Target(f"ws://{host}:8765/", "pat_x").token == "pat_x"

    def test_the_token_is_not_shown(self):
        assert "pat_x" not in repr(Target("wss://host/", "pat_x"))
