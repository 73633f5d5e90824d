"""Bytes and seconds of a plan, by arithmetic alone; the cost book corrects both by what jobs take.

A step: tokens T = width x height / 256 + 64 of the caption.

* products   T x operations per token / rate of the weights' format (11.3 GFLOP a token in Z-Image)
* attention  4 x T² x hidden size x layers / (0.8 x bf16 rate)
* the rest   T x 6.9 MB / rate of the card's memory: norms, RoPE and gates
* link       streamed blocks / rate of the link, under the arithmetic: the longer of the two counts

Bytes: the driver's context, the weights at their places, the ring of shared slots, LoRAs, and the larger of
what a step, the decoder and a passing text encoder need.

Constants fitted to one H200 (``engine/README.md``): 33.0 ms a step at 512 x 768 and 93.3 at 1024², 30.6 and
88 of them products and attention; decoder 11.3 ms; prompt 7.7 ms; merge 9.5 ms in bf16, 18 in fp8; peaks of
31.1, 31.3 and 32.2 GiB at 512², 512 x 768 and 1024².
"""

from dataclasses import replace

from engine.checkpoint.part_sizes import BF16_BYTES, ModelSizes
from engine.config import CONTEXT_BYTES, VAE_PARTS_SHARE, Plan, WeightFormat, WeightLocation
from engine.formatting import GIB, MIB
from engine.planner.placement.values import CardInfo, PlacementOption, Prediction, Situation, WantedSize

# Bytes.
FIXED_BYTES = 300 * MIB  # workspaces of the products, recorded steps, kernels, embeddings
TOKEN_BYTES = 110_000  # of a step's activations: the widest are w1‖w3 (20,480), w2's input and qkv, in bf16
PIXEL_BYTES = 1_600  # of the decoder at its widest: 1.5 GiB at 1024²
RING_SLOTS = 3  # one computed, one arriving, one being merged
LANDINGS = 2  # in eight bits, blocks arrive in bf16 in slots of their own, also where all blocks stay
ENCODER_SLOTS = 2
# Torch holds memory that it does not use. On an H200, plans that left nothing for it ran out of memory inside
# the worker, with 10 GiB free in 57 of 500 pictures, and with 22.5, where the encoder is on the card, in 54.
GAPS_BYTES = 256 * MIB
ENCODER_GAPS_BYTES = 800 * MIB
WIDENED_PART = 0.5  # of an encoder's layer: its largest matrix, in bf16 while an eight-bit layer is used
ROUNDED_PART = 1.3  # the same, with what rounding holds, for a layer that comes from the disk
SCALE_SHARE = 1.01  # eight-bit weights with their row scales
LORA_BYTES = 160 * MIB  # rank 32 on every linear layer of Z-Image, in bf16
RAM_MARGIN_BYTES = 3 * GIB  # the worker's libraries, LoRAs in main memory, this process

# Seconds.
CAPTION_TOKENS = 64
PIXELS_A_TOKEN = 256
ATTENTION_SHARE = 0.8  # of the rate of products
TOKEN_TRAFFIC_BYTES = 6.9e6
PIXEL_FLOPS = 10e6  # of the decoder: 10.5 TFLOP at 1024²
DECODER_SHARE = 0.54  # of the rate of products
PARTS_TIME = 1.8  # of the decoder in strips, which computes the norms twice and the strips' edges again
SMALL_PIXELS = 256 * 256  # a picture that is not cut into strips
PICTURE_S = 0.01  # latents, pixels to the host, launches between the parts
ENCODER_S = 0.006  # launches of the encoder's layers
ENCODER_ROUNDED_S = 0.009  # the same in eight bits: inputs are rotated, weights widened
WIDENED_TRAFFIC = 2.5  # x bytes of the layers in bf16: eight bits are read, bf16 is written and read
LAUNCH_S = 0.011  # a step that is not a recorded graph takes this process at least so long
DISK_BYTES_S = 2e9  # an NVMe disk
MERGE_TRAFFIC = {WeightFormat.BF16: 3.8, WeightFormat.FP8: 7.2, WeightFormat.INT8: 7.2}  # x bytes of the base
MERGE_ON_THE_WAY = 2.0  # the same for a streamed block: read from its slot's staging, written to the slot
LORA_FILE_S = 0.04  # read, check and convert 151 MB from the page cache
USUAL_PART = 0.75  # of pictures: most people keep the size; the others have the other sizes
NEW_PROMPT_PART = 0.5  # of pictures; the others repeat a prompt: ``-n 4``, or the button "again"
NEW_LORA_PART = 0.25


def evaluate(situation: Situation, plan: Plan) -> PlacementOption:
    """Predict what a plan takes; whether that much is free is the caller's question."""
    model = situation.model
    predictions = tuple(_predict(situation, _refilled(model, plan, size), size) for size in situation.sizes)
    usual, others = predictions[0], predictions[1:]
    pictures_s = usual.picture_s
    if others:
        rest_s = sum([each.picture_s for each in others]) / len(others)
        pictures_s = USUAL_PART * usual.picture_s + (1 - USUAL_PART) * rest_s
    return PlacementOption(
        plan=plan,
        predictions=predictions,
        streamed_bytes=(model.blocks - usual.resident_blocks) * model.block_matrix_bytes,
        ram_bytes=ram_bytes(model, plan),
        expected_s=pictures_s + NEW_PROMPT_PART * usual.prompt_s + NEW_LORA_PART * usual.lora_s,
    )


def resident_blocks(model: ModelSizes, plan: Plan) -> int:
    """Return the number of main blocks with a place of their own on the card."""
    return model.blocks if plan.resident_blocks is None else plan.resident_blocks


def block_bytes(model: ModelSizes, weight_format: WeightFormat) -> int:
    """Return the memory of one main block's place on the card."""
    return model.block_bytes - model.block_matrix_bytes + _narrow(model.block_matrix_bytes, weight_format)


def bytes_without_blocks(model: ModelSizes, plan: Plan, size: WantedSize) -> int:
    """Return all the memory of a plan but that of the main blocks and of the ring that streams them."""
    held = CONTEXT_BYTES + FIXED_BYTES + model.vae_bytes + model.other_bytes + plan.lora_cache_bytes
    if plan.base is WeightLocation.CARD:  # the whole base, and a copy of the matrices in the plan's format
        held += model.refiner_bytes + model.blocks * model.block_bytes
        held += _narrow(model.matrix_bytes, plan.weight_format)
    else:
        held += model.refiner_bytes - model.refiner_matrix_bytes
        held += _narrow(model.refiner_matrix_bytes, plan.weight_format)
    passing, gaps = _passing_bytes(model, plan), GAPS_BYTES
    if plan.encoder is WeightLocation.CARD:
        held += _encoder_bytes(model, plan)
        gaps = max(gaps, min(ENCODER_GAPS_BYTES, _encoder_bytes(model, plan)))
    return gaps + held + max(passing, _tokens(size) * TOKEN_BYTES, _decoder_bytes(plan, size))


def blocks_bytes(model: ModelSizes, plan: Plan) -> int:
    """Return the memory of the main blocks and of the slots that they share."""
    if plan.base is WeightLocation.CARD:
        return 0  # ``bytes_without_blocks`` has them
    resident = resident_blocks(model, plan)
    shared = RING_SLOTS if resident < model.blocks else 0  # in eight bits, the landings are two of them
    if not shared and plan.weight_format is not WeightFormat.BF16:
        shared = LANDINGS
    return resident * block_bytes(model, plan.weight_format) + shared * model.block_bytes


def filled(model: ModelSizes, plan: Plan, size: WantedSize, free_bytes: int) -> Plan | None:
    """Return the plan with as many main blocks on the card as fit beside a picture of this size.

    None if the rest alone does not fit, or if the plan needs all blocks and they do not.
    """
    left = free_bytes - bytes_without_blocks(model, plan, size)
    whole = replace(plan, resident_blocks=None)
    if left >= blocks_bytes(model, whole):
        return whole
    left -= RING_SLOTS * model.block_bytes
    if plan.base is WeightLocation.CARD or left < 0:
        return None
    resident = min(model.blocks - 1, left // block_bytes(model, plan.weight_format))
    return replace(plan, resident_blocks=resident)


def _refilled(model: ModelSizes, plan: Plan, size: WantedSize) -> Plan:
    """Return a streamed plan as the worker changes it for a picture of this size, within its budget."""
    if plan.resident_blocks is None or plan.budget_bytes is None:
        return plan
    return filled(model, plan, size, plan.budget_bytes) or plan


def ram_bytes(model: ModelSizes, plan: Plan) -> int:
    """Return the main memory that a plan needs, the worker's own included."""
    needed = RAM_MARGIN_BYTES + model.encoder_table_bytes
    if plan.base is WeightLocation.PINNED:
        needed += model.transformer_bytes
    if plan.encoder is WeightLocation.PINNED:
        needed += _encoder_bytes(model, plan)
    elif plan.encoder is WeightLocation.DISK:
        needed += ENCODER_SLOTS * model.encoder_layer_bytes
    return needed


def _predict(situation: Situation, plan: Plan, size: WantedSize) -> Prediction:
    model, card = situation.model, situation.card
    step_s = _step_s(situation, plan, size)
    pixels = size[0] * size[1]
    parts_time = PARTS_TIME if plan.vae_in_parts and pixels > SMALL_PIXELS else 1.0
    bf16 = card.rates.bf16_flops
    decode_s = pixels * PIXEL_FLOPS * parts_time / (bf16 * DECODER_SHARE)
    return Prediction(
        size=size,
        resident_blocks=resident_blocks(model, plan),
        bytes=bytes_without_blocks(model, plan, size) + blocks_bytes(model, plan),
        step_s=step_s,
        picture_s=situation.steps * step_s + decode_s + PICTURE_S,
        prompt_s=_prompt_s(card, model, plan),
        lora_s=LORA_FILE_S + LORA_BYTES / card.link_bytes_s + _merge_s(card, model, plan),
    )


def arithmetic_s(situation: Situation, weight_format: WeightFormat, size: WantedSize) -> float:
    """Return the seconds of one step whose weights are all on the card."""
    model, rates = situation.model, situation.card.rates
    tokens = _tokens(size)
    attention = 4 * tokens**2 * model.width * model.attention_layers
    return (
        tokens * model.flops_a_token / rates.flops(weight_format)
        + attention / (rates.bf16_flops * ATTENTION_SHARE)
        + tokens * TOKEN_TRAFFIC_BYTES / rates.memory_bytes_s
    )


def _step_s(situation: Situation, plan: Plan, size: WantedSize) -> float:
    model, card = situation.model, situation.card
    computed_s = arithmetic_s(situation, plan.weight_format, size)
    streamed = (model.blocks - resident_blocks(model, plan)) * model.block_matrix_bytes
    if not streamed:
        return computed_s
    computed_s += streamed * MERGE_ON_THE_WAY / card.rates.memory_bytes_s
    return max(computed_s, _copy_s(card, plan.base, streamed), LAUNCH_S)


def _prompt_s(card: CardInfo, model: ModelSizes, plan: Plan) -> float:
    layers = model.encoder_bytes - model.encoder_table_bytes
    if plan.has_encoder_in_eight_bits:
        computed_s = ENCODER_ROUNDED_S + layers * WIDENED_TRAFFIC / card.rates.memory_bytes_s
    else:
        computed_s = ENCODER_S + layers / card.rates.memory_bytes_s
    is_whole = plan.encoder is WeightLocation.DISK  # the file is in bf16
    return max(computed_s, _copy_s(card, plan.encoder, layers if is_whole else _encoder_bytes(model, plan)))


def _merge_s(card: CardInfo, model: ModelSizes, plan: Plan) -> float:
    """Return the seconds of a merge into what stays on the card; streamed blocks merge in every step."""
    merged = resident_blocks(model, plan) * model.block_matrix_bytes + model.refiner_matrix_bytes
    merge_s = merged * MERGE_TRAFFIC[plan.weight_format] / card.rates.memory_bytes_s
    return max(merge_s, _copy_s(card, plan.base, merged))


def _copy_s(card: CardInfo, location: WeightLocation, count_bytes: float) -> float:
    """Return the seconds that so many bytes take to the card; none if they are there."""
    match location:
        case WeightLocation.CARD:
            return 0.0
        case WeightLocation.PINNED:
            return count_bytes / card.link_bytes_s
        case WeightLocation.DISK:
            return count_bytes / min(DISK_BYTES_S, card.link_bytes_s)


def _encoder_bytes(model: ModelSizes, plan: Plan) -> int:
    """Return the memory of the text encoder's layers, on the card or in main memory; its table is apart."""
    layers = model.encoder_bytes - model.encoder_table_bytes
    return round(layers / BF16_BYTES * SCALE_SHARE) if plan.has_encoder_in_eight_bits else layers


def _passing_bytes(model: ModelSizes, plan: Plan) -> int:
    """Return the memory on the card that the text encoder's layers need while a prompt passes them."""
    layer = model.encoder_layer_bytes
    is_narrow = plan.has_encoder_in_eight_bits
    match plan.encoder:
        case WeightLocation.CARD:
            return round(layer * WIDENED_PART) if is_narrow else 0
        case WeightLocation.PINNED:
            slots = ENCODER_SLOTS * layer
            return round(slots / BF16_BYTES + layer * WIDENED_PART) if is_narrow else slots
        case WeightLocation.DISK:
            return ENCODER_SLOTS * layer + (round(layer * ROUNDED_PART) if is_narrow else 0)


def _decoder_bytes(plan: Plan, size: WantedSize) -> int:
    return round(size[0] * size[1] * PIXEL_BYTES * (VAE_PARTS_SHARE if plan.vae_in_parts else 1.0))


def _tokens(size: WantedSize) -> int:
    return size[0] * size[1] // PIXELS_A_TOKEN + CAPTION_TOKENS


def _narrow(matrix_bytes: int, weight_format: WeightFormat) -> int:
    if weight_format is WeightFormat.BF16:
        return matrix_bytes
    return round(matrix_bytes / BF16_BYTES * SCALE_SHARE)
