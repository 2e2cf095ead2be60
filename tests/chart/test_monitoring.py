"""Alerts and dashboard: their queries name metrics that exist, Prometheus takes them, each alert fires when it should and leads to a page."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import helm
import yaml

PROMTOOL = os.path.join(helm.ROOT, ".cache", "promtool", "promtool")
# What Grafana fills in, by what Prometheus takes in its place.
VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*", "$upgrade": ".*"}

# Series that are in no scrape of an upgrade at rest: of one that waits for a person, of a step under way, of an older definition.
OTHERS = ['oms_upgrade_condition{namespace="oms",name="to-4-0-0",type="Stalled",status="True",reason="Timeout"}',
          'oms_upgrade_condition{namespace="oms",name="to-4-0-0",type="Finished",status="False",reason="UnderWay"}',
          'oms_upgrade_step_seconds{namespace="oms",name="to-4-0-0",step="BackingUp"}', 'oms_upgrade_status_cut{namespace="oms",name="to-4-0-0"}']


def read(*path):
    with open(os.path.join(helm.ROOT, *path), encoding="utf-8") as file:
        return file.read()


def read_alerts():
    [rule] = helm.pick(helm.render({"metrics": {"prometheusRule": {"enabled": True}}}), "PrometheusRule")
    return rule["spec"]


def read_dashboard():
    return json.loads(read("charts", "oms-operator", "files", "dashboard.json"))


def list_queries():
    """(title of the panel, query) of the dashboard, as Prometheus gets them."""
    found = [(panel["title"], target["expr"]) for panel in read_dashboard()["panels"] for target in panel["targets"]]
    for variable, value in VARIABLES.items():
        found = [(title, query.replace(variable, value)) for title, query in found]
    return found


def list_series():
    """Series of the product, by name: their labels. From a scrape that tests/golden/metrics.rs keeps."""
    series = {}
    for line in read("tests", "golden", "files", "metrics.txt").splitlines():
        if not line.startswith("#"):
            name, _, labels = line.partition("{")
            series[name] = series.get(name, set()) | set(re.findall(r'(\w+)="', labels))
    return series


def call_promtool(*arguments, folder=None):
    return subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


class Queries(unittest.TestCase):
    def test_every_metric_and_label_exists(self):
        series = list_series()
        queries = [(alert["alert"], alert["expr"]) for alert in read_alerts()["groups"][0]["rules"]] + list_queries()
        for name, query in queries:
            used = set(re.findall(r"\boms_\w+", query))
            with self.subTest(name):
                self.assertTrue(used)
                # Series that stand here only while something is wrong or under way are written by name in the sources.
                known = {one for one in used if one in series or f'"{one.removeprefix("oms_")}"' in read("src", "metrics.rs")}
                self.assertEqual(used - known, set())
            for metric, labels in re.findall(r"\b(oms_\w+)\{([^}]*)\}", query):
                if metric in series:
                    with self.subTest(name, metric=metric):
                        self.assertLessEqual(set(re.findall(r"(\w+) *[!=]", labels)), series[metric])

    def test_prometheus_takes_them(self):
        rules = {"groups": [{"name": "dashboard", "rules": [{"record": f"panel:{number}", "expr": query}
                                                            for number, (_, query) in enumerate(list_queries())]}]}
        for content in (rules, read_alerts()):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "rules.yaml")
                with open(path, "w", encoding="utf-8") as file:
                    yaml.safe_dump(content, file)
                result = call_promtool("check", "rules", path)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_panel_shows_something(self):
        """Prometheus evaluates each query over the series of a scrape that stand or count up, as a panel would have it: a number comes out."""
        series = [line for line in read("tests", "golden", "files", "metrics.txt").splitlines() if line and not line.startswith("#")] + OTHERS
        counts = re.compile(r"\w+_(?:total|bucket|sum|count)\b")
        given = [{"series": one, "values": "1+1x20" if counts.match(one) else "1x20"} for one in series]
        # Without what a panel shows where there is nothing; what is not a number does not equal itself.
        shown = [query.replace(" or vector(0)", "") for _, query in list_queries()]
        asked = [{"expr": f"count(({query}) == ({query}))>bool 0", "eval_time": "15m", "exp_samples": [{"labels": "{}", "value": 1}]}
                 for query in shown]
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "tests.yaml"), "w", encoding="utf-8") as file:
                yaml.safe_dump({"rule_files": [], "tests": [{"interval": "1m", "input_series": given, "promql_expr_test": asked}]}, file)
            result = call_promtool("test", "rules", "tests.yaml", folder=folder)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_panels_do_not_overlap(self):
        taken = set()
        for panel in read_dashboard()["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells


class Alerts(unittest.TestCase):
    def test_each_fires_when_it_should(self):
        tests = helm.read("tests", "chart", "alerts.yaml")[0]
        fires = {expected["alertname"] for test in tests["tests"] for expected in test["alert_rule_test"] if expected.get("exp_alerts")}
        quiet = {expected["alertname"] for test in tests["tests"] for expected in test["alert_rule_test"] if not expected.get("exp_alerts")}
        names = {alert["alert"] for alert in read_alerts()["groups"][0]["rules"]}
        self.assertEqual((names - fires, names - quiet), (set(), set()))
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (("rules.yaml", read_alerts()), ("tests.yaml", {"rule_files": ["rules.yaml"], **tests})):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    yaml.safe_dump(content, file)
            result = call_promtool("test", "rules", "tests.yaml", folder=folder)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_each_leads_to_its_place_in_the_runbook(self):
        anchors = set(re.findall(r'<a id="(\w+)">', read("docs", "troubleshooting.md")))
        for alert in read_alerts()["groups"][0]["rules"]:
            page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
            with self.subTest(alert["alert"]):
                self.assertEqual(page, "docs/troubleshooting.md")
                # The place of an alert that names a reason is that of the reason; tests/golden sees to it that each has one.
                self.assertIn(alert["alert"].lower(), anchors)
                self.assertIn(anchor, anchors | {"{{ $labels.reason | toLower }}"})

    def test_the_page_is_where_people_read_it(self):
        on = {"enabled": True, "runbookUrl": "https://wiki.example.com/oms.html"}
        [rule] = helm.pick(helm.render({"metrics": {"prometheusRule": on}}), "PrometheusRule")
        for alert in rule["spec"]["groups"][0]["rules"]:
            self.assertTrue(alert["annotations"]["runbook_url"].startswith("https://wiki.example.com/oms.html#"), alert["alert"])

    def test_the_dashboard_is_the_file(self):
        [found] = helm.pick(helm.render({"metrics": {"dashboard": {"enabled": True}}}), "ConfigMap")
        self.assertEqual(json.loads(found["data"]["oms-operator.json"]), read_dashboard())
        self.assertEqual(found["metadata"]["labels"]["grafana_dashboard"], "1")
