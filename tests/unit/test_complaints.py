"""The complaints of users of other bots, and the tests that hold our answer to each.

A row names tests, or rows of the crash table in ``tests/README.md``. This module checks that they exist,
and the suite that they pass.
"""

import ast
from pathlib import Path

from tests.crash.rows import all_rows

TESTS = Path(__file__).resolve().parents[1]
OPEN = {20: "adult output: the check of pictures is not built yet"}

COMPLAINTS: dict[tuple[int, str], tuple[str, ...]] = {
    (1, "the LoRA does nothing"): (
        "test_the_lora_requested_is_the_lora_seen",
        "test_a_product_with_a_zero_factor_has_no_effect",
        "row 39",
    ),
    (2, "stacked LoRAs damage the picture"): (
        "test_each_lora_of_a_stack_has_its_own_weight",
        "test_a_stack_is_the_sum_of_what_each_lora_does_to_the_base",
        "test_scaled_strengths_never_exceed_the_cap_and_keep_sign_and_proportion",
        "test_two_faces_are_drawn_with_advice",
    ),
    (3, "memory grows and switching is slow"): (
        "test_memory_is_flat_over_switches",
        "row 36",
    ),
    (4, "there are more LoRAs than a menu holds"): (
        "test_nothing_typed_suggests_all_and_never_more_than_25",
        "test_a_lora_is_found_by_name_title_pinyin_initials_and_near_misses",
        "test_of_a_thousand_every_one_is_found_by_its_name_with_a_typing_error",
        "test_the_controls_of_a_list_of_loras_turn_its_pages_and_show_one",
    ),
    (5, "the syntax of a LoRA is mangled"): ("test_what_was_read_reads_the_same_again",),
    (6, "buttons die with a restart"): (
        "test_every_control_answers_after_a_cold_start_its_owner_and_somebody_else",
    ),
    (7, "three seconds to answer, fifteen minutes to finish"): (
        "test_an_answer_that_waits_twelve_minutes_moves_to_one_message_that_shows_the_picture",
        "test_a_result_for_a_closed_channel_arrives_as_a_direct_message",
    ),
    (8, "nobody knows their position"): (
        "test_eight_of_ten_waits_lie_in_the_range_shown",
        "test_the_same_request_within_a_minute_points_to_the_first",
    ),
    (9, "a cancellation hits somebody else"): (
        "test_a_cancel_within_a_batch_keeps_what_is_drawn_and_leaves_the_neighbour_bit_for_bit",
        "test_no_other_person_can_cancel_it",
    ),
    (10, "heavy users starve the others"): (
        "test_a_newcomer_does_not_wait_behind_all_jobs_of_another_person",
    ),
    (11, "quotas are forgotten"): ("test_credits_run_out_and_come_back_the_next_day", "row 1"),
    (12, "the settings of a picture are lost"): (
        "test_our_own_settings_come_back",
        "test_a_picture_of_ours_is_drawn_again_from_its_file",
        "test_a_command_about_a_job_is_about_the_picture_that_it_replies_to",
    ),
    (13, "floods kill the bot"): (
        "test_retry_after_is_obeyed",
        "test_a_flooded_chat_gets_no_edit_until_later_and_then_the_newest",
    ),
    (14, "Telegram compresses pictures"): (
        "test_mine_shows_the_pictures_and_original_the_file_also_after_a_restart",
    ),
    (15, "answers miss their topic"): ("test_answers_stay_in_their_topic_and_general_is_left_out",),
    (16, "the file is too large"): ("test_a_picture_too_large_becomes_a_webp_with_its_settings",),
    (17, "the card runs out of memory"): (
        "test_a_full_card_is_retried_once_with_less_memory",
        "test_out_of_memory_lowers_the_resident_blocks_until_the_picture_is_drawn",
    ),
    (18, "private pictures become public"): (
        "test_a_private_picture_never_goes_to_the_channel",
        "test_the_placeholder_is_in_the_private_chat_and_the_group_sees_a_mark_only",
    ),
    (19, "an open bot is a stranger's free card"): (
        "test_the_desk_refuses_a_hosts_command_of_anybody_else",
        "test_a_server_that_the_host_did_not_allow_gets_an_explanation",
    ),
    (21, "Chinese input is misread"): (
        "test_traditional_words_are_read_like_simplified_ones",
        "test_chinese_numerals_are_numbers",
        "test_a_prompt_that_is_too_long_for_the_model_costs_nothing",
        "test_the_refusal_of_a_long_prompt_says_how_many_tokens_to_remove",
    ),
}


def test_every_complaint_has_an_answer_or_a_reason() -> None:
    assert sorted([number for number, _ in COMPLAINTS] + list(OPEN)) == list(range(1, 22))


def test_the_tests_that_the_table_names_exist() -> None:
    known = {f"row {row.number}" for row in all_rows()}
    for file in TESTS.rglob("test_*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        known |= {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    missing = {name for names in COMPLAINTS.values() for name in names} - known
    assert not missing
