import subprocess
import sys

from webapp.page.version import version
from webapp.settings import ROOT

LIST_OPENED = """
import sys
opened = []
sys.addaudithook(lambda event, arguments: event == "open" and opened.append(str(arguments[0])))
import webapp.page
print(*opened, sep="\\n")
"""


def test_importing_the_page_reads_no_static_file_or_template():
    opened = subprocess.run(
        [sys.executable, "-c", LIST_OPENED], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert [path for path in opened.splitlines() if path.endswith((".css", ".js", ".html"))] == []


def test_addresses_of_static_files_carry_the_version(stranger):
    assert f'/static/page.css?v={version()}"' in stranger.get("/sign-in").text
