"""The package of stubs: it reads and writes what Kamailio says, its double is as strict as Kamailio, and others can install it."""

import importlib
import importlib.metadata
import re
import subprocess
import sys

import pytest
from kemi_tools.api import Function, by_module, parse_api_list
from kemi_tools.double import Double
from kemi_tools.generate import write_stubs
from kemi_tools.signatures import Signature, signatures, stubs_directory

from tests.kamailio.conftest import KAMAILIO

LISTED = """
{
	msize: 2
	methods: {
		func: {
			ret: int
			module:
			name: forward
			params: none
		}
		func: {
			ret: xval
			module: pv
			name: get
			params: str
		}
		func: {
			ret: bool
			module: pv
			name: seti
			params: str, int
		}
	}
}
"""
FUNCTIONS = [Function("", "forward", (), "int"), Function("pv", "get", ("str",), "xval"), Function("pv", "seti", ("str", "int"), "bool")]


def test_what_kamailio_lists_is_read():
    assert list(parse_api_list(LISTED)) == FUNCTIONS


@pytest.mark.parametrize("listed", [LISTED.replace("str, int", "str, float"), LISTED.replace("xval", "dict")])
def test_a_type_that_is_new_is_an_error(listed):
    with pytest.raises(ValueError, match="unknown"):
        list(parse_api_list(listed))


def test_stubs_that_were_written_say_what_kamailio_listed(tmp_path):
    write_stubs(by_module(FUNCTIONS), tmp_path, "5.6.3")
    assert signatures(tmp_path) == {
        "forward": Signature((), False, "int"),
        "pv.get": Signature(("str",), False, "Value"),
        "pv.seti": Signature(("str", "int"), False, "bool"),
    }
    assert "from KSR import pv as pv" in (tmp_path / "__init__.pyi").read_text()


def test_modules_that_a_list_does_not_have_keep_their_stubs(tmp_path):
    write_stubs(by_module(FUNCTIONS), tmp_path, "5.6.3")
    write_stubs(by_module([FUNCTIONS[0], Function("sl", "send_reply", ("int", "str"), "int")]), tmp_path, "5.6.3")
    assert signatures.__wrapped__(tmp_path).keys() == {"forward", "pv.get", "pv.seti", "sl.send_reply"}


# --- the double ------------------------------------------------------------------------------------------------------------------------


def test_functions_answer_true_and_are_remembered():
    ksr = Double()
    assert ksr.module.sl.send_reply(404, "Not Found") == 1
    assert ksr.module.force_rport() is True
    assert ksr.called("sl.send_reply") == [(404, "Not Found")]
    assert [name for name, _ in ksr.calls] == ["sl.send_reply", "force_rport"]


def test_answers_are_values_or_callables():
    ksr = Double(answers={"registrar.lookup": -1, "tm.t_check_status": lambda pattern: 1 if pattern == "486" else -1})
    assert ksr.module.registrar.lookup("location") == -1
    assert (ksr.module.tm.t_check_status("486"), ksr.module.tm.t_check_status("404")) == (1, -1)


def test_pseudo_variables_are_kept():
    ksr = Double({"$rm": "INVITE"})
    module = ksr.module
    assert (module.pv.get("$rm"), module.pv.get("$du"), module.pv.gete("$du"), module.pv.getw("$du")) == ("INVITE", None, "", "<null>")
    assert module.is_INVITE()
    assert not module.is_BYE()
    module.pv.sets("$du", "sip:192.0.2.1")
    assert ksr.variables["$du"] == "sip:192.0.2.1"
    module.pv.unset("$du")
    assert module.pv.is_null("$du")


def test_flags_and_the_destination_are_kept():
    ksr = Double()
    module = ksr.module
    assert not module.isflagset(3)
    assert module.setflag(3)
    assert module.isflagset(3)
    assert ksr.flags == {3}
    assert module.resetflag(3)
    assert not module.isflagset(3)
    assert not module.isdsturiset()
    module.setdsturi("sip:192.0.2.1")
    assert (module.isdsturiset(), module.pv.get("$du")) == (True, "sip:192.0.2.1")
    assert module.resetdsturi()
    assert not module.isdsturiset()


def test_what_kamailio_does_not_export_is_refused():
    with pytest.raises(AttributeError):
        Double().module.rtpengine.rtpengine_offr("x")
    with pytest.raises(AttributeError):
        Double().module.no_such_module.x()
    with pytest.raises(AttributeError, match="rtpengine_offr"):
        Double(answers={"rtpengine.rtpengine_offr": 1})


@pytest.mark.parametrize("arguments", [(), ("a", "b"), (7,), (b"ICE=force",), (None,)])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(TypeError, match=r"KSR\.rtpengine\.rtpengine_offer takes"):
        Double().module.rtpengine.rtpengine_offer(*arguments)


def test_a_truth_value_is_no_number():
    with pytest.raises(TypeError):
        Double().module.setflag(True)


def test_modf_takes_any_number_of_parameters():
    assert Double().module.x.modf("jsonrpc_exec", "a", 7, "b") == 1


def test_import_gets_the_double_only_within():
    ksr = Double()
    with ksr.installed() as module:
        import KSR

        assert KSR is module is ksr.module
    assert "KSR" not in sys.modules


# --- as a package ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed():
    """The files of the installed package, by name."""
    try:
        files = importlib.metadata.files("kamailio-kemi-stubs")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("make setup (the stubs are not installed)")
    return {str(file): file for file in files or ()}


def test_the_installed_package_holds_all_that_the_source_has(installed):
    sources = [*stubs_directory().glob("*.pyi"), *(KAMAILIO / "kemi-stubs" / "kemi_tools").glob("*.py")]
    assert len(sources) > 70
    for source in sources:
        file = installed[f"{source.parent.name}/{source.name}"]
        assert file.read_text() == source.read_text(), f"{file} is old: touch kamailio/kemi-stubs/pyproject.toml, make setup"
    assert "kemi_tools/py.typed" in installed


WRONG = """
import KSR

def route() -> int:
    KSR.sl.send_reply("404", "Not Found")
    KSR.rtpengine.offer("ICE=force")
    return KSR.pv.get("$ru")
"""


def test_mypy_sees_the_stubs(tmp_path, installed):
    (tmp_path / "script.py").write_text(WRONG)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--no-error-summary",
        f"--cache-dir={tmp_path}/cache",
        "script.py",
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    errors = [line.rpartition("[")[2] for line in run.stdout.splitlines() if ": error:" in line]
    assert errors == ["arg-type]", "attr-defined]", "return-value]"], run.stdout


SCRIPT = """
import KSR

class Routes:
    def ksr_request_route(self, message):
        if KSR.registrar.lookup("location") < 0:
            KSR.sl.send_reply(404, "Not Found")

def kamailio():
    return Routes()
"""
EXAMPLE = "".join(re.findall(r"```python\n(.*?)```", (KAMAILIO / "kemi-stubs" / "README.md").read_text(), re.DOTALL))


def test_the_example_of_the_readme_runs_as_often_as_one_likes(tmp_path, monkeypatch):
    (tmp_path / "my_routing.py").write_text(SCRIPT)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = sys.modules.get("KSR")
    for _ in range(2):
        exec(EXAMPLE, {})
    assert "my_routing" not in sys.modules
    assert sys.modules.get("KSR") is before


def test_a_double_forgets_scripts_and_no_library(tmp_path, monkeypatch):
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (tmp_path / "a_script.py").write_text("import a_library\nimport this_one_before\n")
    (tmp_path / "this_one_before.py").touch()
    (installed / "a_library.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(installed))
    importlib.import_module("this_one_before")
    with Double().installed():
        importlib.import_module("a_script")
    assert {"a_library", "this_one_before"} <= sys.modules.keys()
    assert "a_script" not in sys.modules
    del sys.modules["a_library"], sys.modules["this_one_before"]
