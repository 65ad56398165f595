#!/usr/bin/env python3
"""Checks every crate in Cargo.lock against deny.toml: licences, banned crates, sources.

The same rules as `cargo deny check licenses bans sources`, read from the same file, without a tool to install.
Prints one line a problem and exits 1 when there is any.
"""

import json
import os
import re
import subprocess
import sys


def rules(path):
    """The lists of deny.toml. A small reader, because Python's own needs version 3.11."""
    text = re.sub(r"^\s*#.*$", "", open(path, encoding="utf-8").read(), flags=re.M)
    sections = dict(zip(re.findall(r"^\[(\w+)\]$", text, flags=re.M), re.split(r"^\[\w+\]$", text, flags=re.M)[1:]))

    def strings(section, key):
        found = re.search(rf"^{key} = \[(.*?)\]$", sections[section], flags=re.M | re.S)
        if not found:
            sys.exit(f"check-deps: no list {key} in [{section}] of deny.toml")
        return found.group(1)

    bans = dict(re.findall(r'name = "([^"]+)", reason = "([^"]+)"', strings("bans", "deny")))
    return set(re.findall(r'"([^"]+)"', strings("licenses", "allow"))), bans, re.findall(r'"([^"]+)"', strings("sources", "allow-registry"))


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be satisfied with the allowed licences. The old `/` means OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def one():
        if peek() == "(":
            take()
            result = either()
            if peek() != ")":
                raise ValueError(expression)
            take()
            return result
        name = take()
        if peek() == "WITH":
            take()
            name = f"{name} WITH {take()}"
        return name in allowed

    def both():
        result = one()
        while peek() == "AND":
            take()
            result = one() and result
        return result

    def either():
        result = both()
        while peek() == "OR":
            take()
            result = both() or result
        return result

    result = either()
    if position != len(tokens):
        raise ValueError(expression)
    return result


def metadata(root):
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--locked", "--all-features", "--format-version", "1"]
    # Cargo.lock is enough when everything was fetched before.
    for extra in (["--offline"], []):
        done = subprocess.run(command + extra, cwd=root, capture_output=True, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout)
    sys.exit(f"check-deps: {done.stderr.strip()}")


def built(data):
    """The packages that some member's build takes in. Cargo resolves optional dependencies that no feature turns on, too."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}

    def is_on(package, features, dependency):
        if not dependency["optional"]:
            return True
        name = dependency["rename"] or dependency["name"]
        turned = [word for feature in features for word in package["features"].get(feature, [])]
        return name in features or any(word in (name, f"dep:{name}") or word.startswith(f"{name}/") for word in turned)

    found, waiting = set(), list(data["workspace_members"])
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        package, features = packages[one], nodes[one]["features"]
        wanted = {d["name"] for d in package["dependencies"] if is_on(package, features, d)}
        waiting += [d["pkg"] for d in nodes[one]["deps"] if packages[d["pkg"]]["name"] in wanted]
    return [packages[one] for one in sorted(found)]


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    allowed, bans, registries = rules(os.path.join(root, "deny.toml"))
    problems = []
    packages = built(metadata(root))
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["source"] is None:
            if not package["manifest_path"].startswith(root + os.sep):
                problems.append(f"{name}: a path outside the repository")
            continue
        if not any(package["source"] == f"registry+{registry}" for registry in registries):
            problems.append(f"{name}: comes from {package['source']}")
        if package["name"] in bans:
            problems.append(f"{name}: banned, {bans[package['name']]}")
        try:
            if not package["license"] or not is_allowed(package["license"], allowed):
                problems.append(f"{name}: licence {package['license'] or 'not stated'}")
        except (ValueError, IndexError):
            problems.append(f"{name}: licence {package['license']} cannot be read")
    for problem in problems:
        print(f"check-deps: {problem}")
    print(f"check-deps: {len(packages)} crates, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
