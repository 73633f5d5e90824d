"""Whether a host has paused the drawing. Queries of hosting.sql."""

from dataclasses import asdict
from functools import partial

from bot.outcomes import Service, ServiceMode
from bot.store.database import Database


class ServiceStore:
    """Queries on service; call what changes something in the transaction of its event."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "hosting.sql")

    async def read(self) -> Service:
        """Return what a host decided last; open by default."""
        rows = await self._query("service")
        if not rows:
            return Service()
        [row] = rows
        return Service(ServiceMode(row["mode"]), row["reason"], row["since_ms"])

    async def save(self, service: Service, decided_by: str) -> None:
        """Store what a host (``platform:user_id``) decided."""
        if service.mode is ServiceMode.OPEN:
            await self._query("delete_service")
            return
        await self._query("save_service", **asdict(service), decided_by=decided_by)
