"""Scripts that run inside a home, from its place in the network: each prints one JSON value."""

from typing import Final

# HOST:PORT... → {"HOST:PORT": "connected" | what kept it}. All at once: a wall that drops answers by silence alone.
CONNECT: Final = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def reach(target):
    host, _, port = target.rpartition(":")
    try:
        address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][4]
    except OSError:
        return "unknown name"
    try:
        socket.create_connection(address[:2], timeout=4).close()
    except OSError as error:
        return type(error).__name__
    return "connected"

with ThreadPoolExecutor(32) as pool:
    print(json.dumps(dict(zip(sys.argv[1:], pool.map(reach, sys.argv[1:])))))
"""

# URL KEY... → [[status, body], ...]: what is answered to each key; "" sends none.
ASK_WITH_KEYS: Final = """
import json, sys, urllib.error, urllib.request

answers = []
for key in sys.argv[2:]:
    request = urllib.request.Request(sys.argv[1], headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            answers.append([answer.status, json.load(answer)])
    except urllib.error.HTTPError as error:
        answers.append([error.code, json.loads(error.read())])
print(json.dumps(answers))
"""

# SECONDS → from before it listens until so long after: how often nobody listened, and every different answer.
TRY_TO_TAKE: Final = """
import http.client, json, sys, time

deadline, until, silent, answers = time.monotonic() + 120, None, 0, []
someone = {"client_id": "http://x/", "name": "X", "username": "x", "password": "x", "language": "en"}
knocks = ("GET", "/api/onboarding", None), ("POST", "/api/onboarding/users", json.dumps(someone))
while time.monotonic() < (until or deadline):
    for method, path, body in knocks:
        connection = http.client.HTTPConnection("127.0.0.1", 8123, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            seen = [method, path, answer.status, answer.read().decode()]
        except OSError:
            silent += 1
            continue
        finally:
            connection.close()
        until = until or time.monotonic() + float(sys.argv[1])
        if seen not in answers:
            answers.append(seen)
    time.sleep(0.01)
print(json.dumps({"silent": silent, "answers": answers}))
"""

# KEY MODEL TIMES → [[status, quota header, Retry-After, figures], ...]: so many prompts, fewer once one is refused.
PROMPT: Final = """
import json, sys, urllib.error, urllib.request

key, model, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
prompt = {"model": model, "prompt": "Count to twenty.", "stream": False, "options": {"num_predict": 32}}
answers = []
for number in range(times):
    body = json.dumps(prompt | {"prompt": f"Count to {20 + number}."}).encode()
    request = urllib.request.Request("http://ollama:11434/api/generate", body, {"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
            # Ollama leaves out what took no time: a prompt that it has just read.
            figures = [told.get("prompt_eval_duration", 0), told.get("eval_duration", 0)]
            answers.append([answer.status, answer.headers["X-Insula-Quota"], "", figures])
    except urllib.error.HTTPError as error:
        answers.append([error.code, error.headers["X-Insula-Quota"], error.headers["Retry-After"], []])
        break
print(json.dumps(answers))
"""

# KEY BODY ADDRESS... → a chat at each gateway's address, all at once: [{"status", "headers", "last"}, ...].
CHAT_AT_ONCE: Final = """
import http.client, json, sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

key, body, *addresses = sys.argv[1:]
together = Barrier(len(addresses))

def chat(address):
    connection = http.client.HTTPConnection(address, 11434, timeout=120)
    together.wait()
    connection.request("POST", "/api/chat", body, {"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    lines = answer.read().splitlines()
    return {"status": answer.status, "headers": dict(answer.headers), "last": json.loads(lines[-1])}

with ThreadPoolExecutor(len(addresses)) as pool:
    print(json.dumps(list(pool.map(chat, addresses))))
"""
