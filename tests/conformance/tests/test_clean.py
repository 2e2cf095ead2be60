"""No secret comes through, in whatever form a program prints it."""

import base64
import json
import unittest
import urllib.parse

from kit.clean import LONGEST, Cleaner

SECRET = "o'b \"pä$$ # %41 \\ :"


class Clean(unittest.TestCase):
    def test_known_secrets_in_every_form(self):
        cleaner = Cleaner([SECRET, ""])
        for form in (SECRET, json.dumps(SECRET), json.dumps(SECRET, ensure_ascii=False), urllib.parse.quote(SECRET, safe=""),
                     repr(SECRET), base64.b64encode(SECRET.encode()).decode()):
            self.assertEqual(cleaner.clean(f"<{form.strip(chr(34))}>"), "<***>" if form != repr(SECRET) else "<'***'>", form)

    def test_unknown_secrets_by_the_words_around_them(self):
        cleaner = Cleaner([])
        for text in ("drc_password: hunter2", "drc_password: 'hunter2 x'", '{"userPassword": "hunter2"}', "jdbc://user:hunter2@host/x",
                     "mysql -hh -uu -phunter2 oms", "Authorization: Basic aHVudGVyMg==hunter2", "accessKey=hunter2",
                     "CREATE USER a IDENTIFIED BY 'hunter2'", "db.passwd=hunter2", "token = hunter2", "初始密码：hunter2", "the password is hunter2",
                     "privateKey: hunter2"):
            self.assertNotIn("hunter2", cleaner.clean(text), text)

    def test_what_is_none_stays(self):
        text = "2026-11-29 oms_console RUNNING pid 12, startretries=0 | # 【结束】全部初始化步骤执行成功"
        self.assertEqual(Cleaner(["x y z"]).clean(text), text)

    def test_addresses_get_names_but_parts_of_others_do_not(self):
        cleaner = Cleaner([], [("10.0.0.1", "<node>")])
        self.assertEqual(cleaner.clean("10.0.0.1:8089 10.0.0.12 110.0.0.1 10.0.0.1"), "<node>:8089 10.0.0.12 110.0.0.1 <node>")

    def test_evidence_is_bounded(self):
        self.assertLess(len(Cleaner([]).clean("ab " * 10000)), LONGEST + 1)

    def test_keys_and_nested_values(self):
        self.assertEqual(Cleaner([SECRET]).clean_all({SECRET: [(SECRET, 1, None)]}), {"***": [["***", 1, None]]})
