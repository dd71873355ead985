"""Users: what files hold, files that change, an HTTP server that is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from boringsdp.b2bua import user_call_out, user_file
from boringsdp.b2bua.policy import Refusal
from boringsdp.b2bua.user_call_out import UserCallOut
from boringsdp.b2bua.user_file import UserFile
from boringsdp.b2bua.users import User, parse_users
from boringsdp.errors import ConfigError

MD5, SHA = "0" * 32, "F" * 64


def test_lines_of_users():
    found = parse_users(f"# ours\n\nalice:open sesame \nbob:a:b\ncarol:pbx:{MD5}\ncarol:pbx:{SHA}\ndave:other:{MD5}\n", "users", "pbx")
    assert [(one.secret, one.ha1, one.ha1_algorithm) for one in found["alice"].credentials] == [("open sesame", "", "MD5")]
    assert found["bob"].credentials[0].secret == "a:b"
    assert [(one.ha1, one.ha1_algorithm, one.realm) for one in found["carol"].credentials] == [
        (MD5, "MD5", "pbx"),
        (SHA.lower(), "SHA-256", "pbx"),
    ]
    assert found["dave"].credentials[0].secret == f"other:{MD5}"  # of another realm: a password, for all we know


def test_tables_of_users():
    text = f'[alice]\npassword = "sesame"\ndisplay_name = "Alice A."\n["bob.b"]\nha1 = "{MD5}"\nha1_sha256 = "{SHA}"\n'
    found = parse_users(text, "users.toml", "pbx")
    assert (found["alice"].display_name, found["alice"].credentials[0].secret) == ("Alice A.", "sesame")
    assert [one.ha1_algorithm for one in found["bob.b"].credentials] == ["MD5", "SHA-256"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("users", "alice", "line 1 is neither"),
        ("users", "\n:x", "line 2 is neither"),
        ("users", "alice:", "line 1 is neither"),
        ("users.toml", "alice", "is not TOML"),
        ("users.toml", "alice = 1", "alice is no table"),
        ("users.toml", "[alice]", "alice needs password, ha1 or ha1_sha256"),
        ("users.toml", '[alice]\nha1 = "12"', "alice has an HA1 of a wrong length"),
        ("users.toml", '[alice]\npasswort = "x"', "alice has the key 'passwort'"),
        ("users.toml", "[alice]\npassword = 1", "alice has a value that is no text"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_its_passwords(name: str, text: str, told: str):
    with pytest.raises(ConfigError, match=told):
        parse_users(text, name, "pbx")


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(user_file, "LOOK_S", 0.0)
    path = tmp_path / "users"
    path.write_text("alice:one\n")
    users = UserFile(str(path), "pbx")
    await users.start()
    assert users.knows("alice")
    path.write_text("alice:two\nbob:three\n")
    assert users.knows("bob")
    path.write_text("what is this\n")
    assert users.knows("bob")
    assert users.knows("bob")
    assert [record.message for record in caplog.records] == ["users not read again"]
    path.write_text("bob:four\n")
    assert not users.knows("alice")
    path.unlink()
    assert users.knows("bob")


async def test_a_file_must_be_there_at_start(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        await UserFile(str(tmp_path / "none"), "pbx").start()


# --- the call-out --------------------------------------------------------------------------------------------------------------------


class Server:
    """Answers for `users_url`; `answers` by user: a status, or what is said with 200."""

    def __init__(self) -> None:
        self.answers: dict[str, int | object] = {}
        self.asked: list[dict[str, str]] = []
        self.url = ""
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, request: web.Request) -> web.Response:
        said = await request.json()
        self.asked.append(said)
        await self.gate.wait()
        answer = self.answers.get(said["user"], 404)
        return web.Response(status=answer) if isinstance(answer, int) else web.json_response(answer)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_post("/users", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/users"
    yield made
    await runner.cleanup()


async def asked(users: UserCallOut, name: str) -> User | Refusal | None:
    found: asyncio.Future[User | Refusal | None] = asyncio.get_running_loop().create_future()
    users.find(name, found.set_result)
    return await asyncio.wait_for(found, 5)


@pytest.fixture
async def users(server: Server) -> AsyncIterator[UserCallOut]:
    made = UserCallOut(server.url, "example.com", "pbx")
    await made.start()
    yield made
    await made.close()


async def test_a_server_says_who_may_log_in(server: Server, users: UserCallOut):
    server.answers = {"alice": {"password": "sesame", "display_name": "Alice"}, "bob": {"ha1": MD5}}
    alice, bob = await asked(users, "alice"), await asked(users, "bob")
    assert isinstance(alice, User)
    assert isinstance(bob, User)
    assert (alice.credentials[0].secret, alice.display_name) == ("sesame", "Alice")
    assert (bob.credentials[0].ha1, bob.credentials[0].realm) == (MD5, "pbx")
    assert await asked(users, "carol") is None
    assert server.asked[0] == {"user": "alice", "domain": "example.com", "realm": "pbx"}
    assert users.knows("alice")
    assert not users.knows("carol")
    for name in ("alice", "carol"):
        await asked(users, name)
    assert len(server.asked) == 3  # a browser asks twice


async def test_one_question_serves_all_who_wait_for_it(server: Server, users: UserCallOut):
    server.answers = {"alice": {"password": "sesame"}}
    server.gate.clear()
    told: list[object] = []
    for _ in range(5):
        users.find("alice", told.append)
    server.gate.set()
    await asked(users, "alice")
    assert len(told) == 5
    assert len(server.asked) == 1


async def test_who_fails_on_an_answer_fails_alone(server: Server, users: UserCallOut, caplog: pytest.LogCaptureFixture):
    server.answers = {"alice": {"password": "sesame"}}
    server.gate.clear()

    def fail(_user: object) -> None:
        raise RuntimeError

    users.find("alice", fail)
    server.gate.set()
    assert isinstance(await asked(users, "alice"), User)
    assert "failed after its user was found" in caplog.text


@pytest.mark.parametrize("answer", [500, 401, 302, [], {"password": 1}, {"secret": "x"}, {}, "x", {"password": "x" * 20_000}])
async def test_a_server_that_fails_is_no_wrong_password(server: Server, users: UserCallOut, answer: object):
    server.answers = {"alice": answer}
    said = await asked(users, "alice")
    assert isinstance(said, Refusal)
    assert (said.code, dict(said.headers)) == (503, {"Retry-After": "5"})
    server.answers = {"alice": {"password": "sesame"}}
    assert isinstance(await asked(users, "alice"), User)  # failures are not kept


async def test_a_server_that_is_not_there(caplog: pytest.LogCaptureFixture):
    users = UserCallOut("http://127.0.0.1:9/", "example.com", "pbx")
    await users.start()
    for name in ("alice", "bob"):
        assert isinstance(await asked(users, name), Refusal)
    await users.close()
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["users cannot be asked for"]


async def test_questions_are_bounded(server: Server, users: UserCallOut, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(user_call_out, "WAITING", 3)
    monkeypatch.setattr(user_call_out, "MAX_KEPT", 2)
    server.gate.clear()
    told: list[object] = []
    for number in range(5):
        users.find(f"user{number}", told.append)
    assert [type(one) for one in told] == [Refusal, Refusal]
    server.gate.set()
    assert await asked(users, "user0") is None
    assert await asked(users, "x" * 300) is None
    await asyncio.sleep(0)
    assert len(users._kept) <= 2
