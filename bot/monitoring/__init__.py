"""What operators and their tools learn about the bot: figures, health, and notes to the service manager.

No figure has a person, a chat, a prompt or a LoRA in its labels. A label is a platform, a state or the name
of a rule, so their number is bounded. The figures of a process begin at 0; ``Monitor`` adds what the other
parts know at the moment of a scrape.

* ``figures``          counters and histograms, which desk and chats advance
* ``monitor``          ``/livez``, ``/readyz`` and ``/metrics``
* ``recent_log``       the newest events of the log, for the operator's page
* ``service_manager``  systemd's notifications and watchdog
* ``files/``           alert rules for Prometheus, a dashboard for Grafana, a unit for systemd

Alerts to the hosts themselves are a use case: ``bot.desk.alerts``.

Tests: ``pytest tests/unit/bot/monitoring tests/integration/app/test_monitoring.py``.
"""
