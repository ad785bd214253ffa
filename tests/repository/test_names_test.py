"""Every test has a name of its own: ctest takes two of one name without a word, and `-R` then runs both.

    test_names_test.py BUILD
"""
import collections
import json
import subprocess
import sys

listed = subprocess.run(["ctest", "--test-dir", sys.argv[1], "--show-only=json-v1"], check=True, stdout=subprocess.PIPE)
names = collections.Counter(test["name"] for test in json.loads(listed.stdout)["tests"])
twice = [name for name, count in names.items() if count > 1]
print(f"{len(names)} names of tests")
sys.exit(f"used twice: {', '.join(twice)}" if twice or not names else 0)
