"""Builds what turns requests into jobs."""

from dataclasses import dataclass

from bot.desk.acceptance import JobAcceptance
from bot.desk.asking.editing import PreferenceEditing, ProfileEditing
from bot.desk.asking.recipes import Recipes
from bot.desk.asking.remembered import ChatProfiles, Preferences
from bot.desk.asking.requests import DrawRequests, LoraDefaults
from bot.desk.build.drawing import DrawingParts
from bot.desk.build.inputs import DeskInputs
from bot.desk.build.people import PeopleParts
from bot.desk.finding.drawing import RecipeDrawings
from bot.desk.finding.recipes import RecipeBook
from bot.desk.iterating.continuation import JobContinuation
from bot.desk.iterating.editing import JobEditing
from bot.desk.loras.habits import LoraHabits
from bot.desk.sheets.writing import Sheets


@dataclass(frozen=True, slots=True)
class AskingParts:
    """What turns requests into jobs."""

    recipes: Recipes
    defaults: LoraDefaults
    profiles: ChatProfiles
    preferences: Preferences
    preference_editing: PreferenceEditing
    profile_editing: ProfileEditing
    habits: LoraHabits
    editing: JobEditing
    continuation: JobContinuation
    book: RecipeBook
    acceptance: JobAcceptance


def build_asking(inputs: DeskInputs, people: PeopleParts, drawing: DrawingParts) -> AskingParts:
    """Make these parts."""
    store, clock, model = inputs.store, inputs.clock, inputs.model
    shelf, consents, access = drawing.loras.shelf, drawing.consents, people.job_access
    recipes = Recipes(shelf=shelf, model=model, random=inputs.random, measure=inputs.measure)
    sheets = Sheets(recipes, model)
    defaults = LoraDefaults(store=store, shelf=shelf, from_settings=inputs.default_lora)
    profiles = ChatProfiles(store, shelf, consents)
    editing = JobEditing(access=access, shelf=shelf)
    preferences = Preferences(store)
    habits = LoraHabits(store)
    continuation = JobContinuation(store=store, access=access, sources=drawing.sources, model=model)
    requests = DrawRequests(
        store=store,
        recipes=recipes,
        sheets=sheets,
        defaults=defaults,
        profiles=profiles,
        preferences=preferences,
        clock=clock,
    )
    book = RecipeBook(
        store=store,
        access=access,
        editing=editing,
        shelf=shelf,
        consents=consents,
        clock=clock,
        random=inputs.random,
    )
    acceptance = JobAcceptance(
        store=store,
        ledger=people.ledger,
        recipes=recipes,
        sheets=sheets,
        requests=requests,
        profiles=profiles,
        habits=habits,
        continuation=continuation,
        drawings=RecipeDrawings(book=book, recipes=recipes, consents=consents, preferences=preferences),
        queue=drawing.queue,
        pausing=drawing.pausing,
        rules=people.rules,
        clock=clock,
        random=inputs.random,
    )
    return AskingParts(
        recipes=recipes,
        defaults=defaults,
        profiles=profiles,
        preferences=preferences,
        preference_editing=PreferenceEditing(
            store=store,
            shelf=shelf,
            recipes=recipes,
            preferences=preferences,
            editing=editing,
            profiles=profiles,
            clock=clock,
        ),
        profile_editing=ProfileEditing(
            store=store,
            shelf=shelf,
            profiles=profiles,
            defaults=defaults,
            consents=consents,
            clock=clock,
        ),
        habits=habits,
        editing=editing,
        continuation=continuation,
        book=book,
        acceptance=acceptance,
    )
