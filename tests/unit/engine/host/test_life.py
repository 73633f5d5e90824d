"""What a worker may know of the process that starts it."""

from engine.host.life import environment


def test_a_worker_gets_no_tokens_passwords_or_proxies() -> None:
    kept = {"PATH": "/bin", "HF_HOME": "/cache", "CUDA_VISIBLE_DEVICES": "0", "PROXYING": "1"}
    secret = [
        "DISCORD_TOKEN", "hf_token", "CLIENT_SECRET", "DB_PASSWORD", "my_passwd", "SOME_API_KEY",
        "AWS_CREDENTIALS", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy",
    ]  # fmt: skip
    assert environment({**kept, **dict.fromkeys(secret, "x")}) == kept
