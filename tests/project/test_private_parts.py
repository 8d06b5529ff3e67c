"""The private parts of other packages that this one uses, each by name, with what it is for.

When an upgrade fails here, the module named in the test's parameter is where the replacement goes.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr
import pytest
import spaces
import torch

from tests.engines.test_batching import SMALL
from tests.running import ROOT

BATCHING = "transformers.generation.continuous_batching"
API, REQUESTS = f"{BATCHING}.continuous_api", f"{BATCHING}.requests"
CHAT = "transformers.utils.chat_template_utils"
AUTO = "transformers.models.auto"
USED = [  # where it is, its parameters where we pass or replace them, what it is for
    ("transformers:PreTrainedTokenizerBase._get_control_tokens", ["self", "chat_template"],
     "prompt/control_tokens: the tokens a visitor must not write"),
    (f"{CHAT}:_get_control_token_patterns", ["control_tokens"], "prompt/control_tokens: finds them in a text"),
    (f"{CHAT}:mark_control_tokens", ["obj", "control_tokens_re"], "prompt/control_tokens: marks what is found"),
    ("transformers:GenerationMixin._get_logits_processor", None, "engines/sampler: what generate does to the scores"),
    ("transformers:GenerationMixin._supports_default_dynamic_cache", [], "engines/kept: models with a cache of their own"),
    ("transformers.cache_utils:DynamicSlidingWindowLayer", None, "engines/kept: what can't be had back"),
    ("transformers.cache_utils:DummyLayer", None, "engines/kept: a layer without a cache"),
    ("transformers:GenerationMixin.init_continuous_batching", None, "engines/batch: makes the manager"),
    (f"{API}:BackgroundThreadStatus.can_accept_new_requests", ["self"], "engines/batch: why it takes no requests"),
    (f"{API}:OutputRouter.deliver", ["self", "output"], "engines/batch: hands over one output"),
    (f"{API}:OutputRouter.deliver_batch", ["self", "outputs"], "engines/batch: hands over a pass's outputs"),
    (f"{BATCHING}.cb_logits_processors:ContinuousBatchingLogitsProcessorList.prepare_tensor_args",
     ["self", "requests_in_batch", "arg_storage"], "engines/batch: which reply each row of scores belongs to"),
    (f"{BATCHING}.cb_logits_processors:ContinuousBatchingLogitsProcessorList.__call__",
     ["self", "input_ids", "scores", "logits_processor_args"], "engines/batch: each reply samples for itself"),
    (f"{API}:ContinuousBatchingManager._create_batch_processor", ["self"], "engines/batch: pages are shared by visitor"),
    (f"{BATCHING}.cache:PagedAttentionCache.search_prefix_match", ["self", "request_id", "prompt_ids"],
     "engines/batch: finds shared pages"),
    (f"{BATCHING}.cache_allocators.cache_allocator:CacheAllocator.mark_complete_blocks",
     ["self", "request_id", "token_ids", "new_new_blocks"], "engines/batch: shares pages"),
    (f"{REQUESTS}:RequestState", None, "engines/batch: one request"),
    (f"{REQUESTS}:GenerationOutput", None, "engines/batch: what a pass has written of it"),
    (f"{REQUESTS}:FutureRequestState.state", None, "engines/batch: the request of a row"),
    (f"{REQUESTS}:FutureRequestState.has_new_token", None, "engines/batch: whether it has a row"),
    ("transformers.generation.streamers:BaseStreamer.put", ["self", "value"], "engines/generate: takes each token"),
    ("transformers.generation.streamers:BaseStreamer.end", ["self"], "engines/generate: takes the end"),
    ("transformers.utils.chat_parsing:ResponseParser", None, "engines/template_parser: reads a reply by its template"),
    ("transformers.convert_slow_tokenizer:bytes_to_unicode", [], "engines/recorder: which byte a character stands for"),
    ("transformers.cli.serving.utils:_RESPONSE_TEMPLATE_FALLBACKS", None, "engines/calls: the forms of families' calls"),
    ("transformers.integrations.mistral:convert_tekken_tokenizer", ["tokenizer_file", "chat_template"],
     "model/tokenizers: a tokenizer of tekken.json"),
    ("transformers.modeling_rope_utils:ROPE_INIT_FUNCTIONS", None, "model/suitability: the types of rope there are"),
    (f"{AUTO}.modeling_auto:MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", None, "model/suitability: which types write"),
    (f"{AUTO}.modeling_auto:MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", None, "model/suitability: which read images"),
    (f"{AUTO}.modeling_auto:MODEL_FOR_MASKED_LM_MAPPING_NAMES", None, "model/suitability: which are encoders"),
    (f"{AUTO}.image_processing_auto:IMAGE_PROCESSOR_MAPPING_NAMES", None, "model/suitability: who needs torchvision"),
    (f"{AUTO}.video_processing_auto:VIDEO_PROCESSOR_MAPPING_NAMES", None, "model/suitability: who needs torchvision"),
    ("transformers.quantizers.auto:AUTO_QUANTIZATION_CONFIG_MAPPING", None,
     "model/suitability: the package of a quantization method"),
    ("torch.cpu:_is_avx512_bf16_supported", [], "model/placement: whether the CPU computes in bfloat16"),
    ("torch.cpu:_is_amx_tile_supported", [], "model/placement: whether the CPU computes in bfloat16"),
    ("torch.ao.quantization:per_channel_dynamic_qconfig", None, "model/quantization: a range for each output"),
    ("torch.ao.quantization:quantize_dynamic", None, "model/quantization: int8 on a CPU"),
    ("torch.ao.nn.quantized.dynamic:Linear", None, "model/quantization: a layer in int8"),
    ("gradio.blocks:BlockFunction", None, "web/page/gate: the components whose values a call brings"),
    ("gradio.components.api_component:Api", None, "web/page/gate: the components of named endpoints"),
    ("argparse:_SubParsersAction", None, "the commands: the type of the parsers to add to"),
    ("gradio:Blocks.process_api", None, "web/page/redacting: a whole call, whose errors are logged redacted"),
    ("gradio.queueing:Queue.send_message", ["self", "event", "event_message"], "web/readers: what waits for a session"),
    ("gradio.queueing:Queue.clean_events", ["self", "session_hash", "event_id"], "web/readers: what is kept of a session"),
    ("gradio.context:LocalContext.request", None, "web/openai/routes: whose quota ZeroGPU counts"),
    ("gradio:NO_RELOAD", None, "web/startup: whether `gradio app.py` has run app.py again"),
    ("spaces.config:Config.zero_gpu", None, "engines/zerogpu: whether this is ZeroGPU"),
    ("spaces.config:Config.zerogpu_offload_dir", None, "engines/zerogpu: where weights are packed at the launch"),
]  # fmt: skip


def find(where: str) -> Any:
    """The object at `package.module:Class.name`; fails with its name."""
    module, path = where.split(":")
    found = importlib.import_module(module)
    for name in path.split("."):
        assert hasattr(found, name), f"{where}: {name!r} is missing"
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(("where", "parameters", "purpose"), USED, ids=[use[0] for use in USED])
def test_a_private_part_is_where_it_was(where: str, parameters: list[str] | None, purpose: str) -> None:
    found = find(where)
    if parameters is not None:
        assert list(inspect.signature(found).parameters) == parameters, f"{where} ({purpose}) takes other parameters"


# What their own documentation offers below the top of a package. The others' parts (starlette, httpx, PIL) are public.
PUBLIC = ("torch.nn", "torch.cuda", "torch.cpu", "torch.backends", "torch.ops", "huggingface_hub.errors",
          "huggingface_hub.utils", "huggingface_hub.constants", "huggingface_hub.hf_api", "gradio.themes", "peft")  # fmt: skip
SCANNED = ("transformers", "torch", "gradio", "spaces", "huggingface_hub", "peft")
# Of objects (a model's config, gr.EventData), which other tests ask for; and os._exit, which is Python's own.
ATTRIBUTES = {"_attn_implementation", "_data", "_exit"}
TREES = {path: ast.parse(path.read_text("utf-8")) for path in [ROOT / "app.py", *(ROOT / "streamspace").rglob("*.py")]}


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The module and the name of each thing that is imported from the packages, or reached through one of them."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.split(".")[0]
                aliases[each.asname or first] = each.name if each.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, each.name) for each in node.names)
    for node in ast.walk(tree):
        root, *path = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else [""]
        if aliases.get(root, "").split(".")[0] not in SCANNED or not all(part.isidentifier() for part in path):
            continue
        module: Any = importlib.import_module(aliases[root])
        while path and isinstance(getattr(module, path[0], None), ModuleType):
            module = getattr(module, path.pop(0))
        if path:
            yield module.__name__, path[0]


def private(tree: ast.Module) -> Iterator[str]:
    """What is imported that is no module, isn't offered at the top of its package and in no public part of it."""
    named = [find(re.sub(r":(\w+).*", r":\1", where)) for where, *_ in USED]
    for module, name in imported(tree):
        package = module.split(".")[0]
        if package not in SCANNED or module == package or any(f"{module}.".startswith(f"{each}.") for each in PUBLIC):
            continue
        found = getattr(importlib.import_module(module), name, None)
        offered = getattr(importlib.import_module(package), name, None)
        if not isinstance(found, ModuleType) and found is not offered and not any(found is each for each in named):
            yield f"{module}:{name}"


@pytest.mark.parametrize("path", TREES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_private_part_is_imported(path: Path) -> None:
    assert set(private(TREES[path])) == set()


def test_no_other_private_attribute_is_used() -> None:
    nodes = [node for tree in TREES.values() for node in ast.walk(tree)]
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr.startswith("_")}
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    own |= {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in nodes
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store)
    }
    named = {where.split(".")[-1].split(":")[-1] for where, *_ in USED}
    assert {name for name in used - own - named - ATTRIBUTES - set(ONEDNN) if not name.endswith("__")} == set()


@pytest.mark.parametrize(
    "source",
    [
        "from transformers.models.llama.modeling_llama import rotate_half",
        "def f():\n    from gradio.utils import get_space",
        "import gradio as gr\ngr.context.Context.root_block",
        "import torch\ntorch.ao.quantization.prepare(1)",
    ],
)
def test_a_new_private_part_is_found(source: str) -> None:
    assert len(set(private(ast.parse(source)))) == 1


@pytest.mark.parametrize(
    "source",
    ["from transformers import AutoModel", "import torch\ntorch.nn.functional.relu(1)", "from gradio import blocks"],
)
def test_what_a_package_offers_is_no_private_part(source: str) -> None:
    assert list(private(ast.parse(source))) == []


def test_logits_processors_are_made_for_a_config_and_a_prompt_length() -> None:
    taken = inspect.signature(find("transformers:GenerationMixin._get_logits_processor")).parameters
    assert {"generation_config", "input_ids_seq_length"} <= set(taken)


def test_a_batch_is_made_with_both_of_its_configs() -> None:
    taken = inspect.signature(find("transformers:GenerationMixin.init_continuous_batching")).parameters
    assert {"generation_config", "continuous_batching_config"} <= set(taken)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("output_router", f"{API}:OutputRouter"),
        ("logit_processor", f"{BATCHING}.cb_logits_processors:ContinuousBatchingLogitsProcessorList"),
        ("background_thread_status", f"{API}:BackgroundThreadStatus"),
    ],
    ids=["output_router", "logit_processor", "background_thread_status"],
)
def test_the_manager_keeps_what_we_replace_or_ask(manager: Any, name: str, kind: str) -> None:
    assert hasattr(manager, name), f"ContinuousBatchingManager.{name} is missing"
    assert type(getattr(manager, name)) is find(kind)


def test_the_manager_hands_its_thread_what_we_replaced() -> None:
    source = inspect.getsource(find(f"{API}:ContinuousBatchingManager"))
    for name in ("output_router", "logit_processor"):
        assert f"{name}=self.{name}" in source, f"ContinuousBatchingManager.{name} is not what its thread uses"


def test_the_manager_is_not_alive_before_its_thread_is(manager: Any) -> None:
    from streamspace.engines import transformers_internals as internals

    assert not internals.is_alive(manager)
    assert manager.background_thread_status.can_accept_new_requests() is None


def test_a_request_keeps_its_prompt_and_what_was_written() -> None:
    from streamspace.engines import transformers_internals as internals

    state = find(f"{REQUESTS}:RequestState")(request_id="one", initial_tokens=[1, 2])
    state.generated_tokens.append(3)
    assert internals.tokens_of(state) == [1, 2, 3]


def test_the_scores_of_a_batch_are_processed_where_a_flag_says_so() -> None:
    processors = find(f"{BATCHING}.cb_logits_processors:ContinuousBatchingLogitsProcessorList")
    assert processors(find("transformers:LogitsProcessorList")()).do_processing is False


def test_a_batch_speaks_through_the_logger_that_is_silenced() -> None:
    from streamspace.engines import transformers_internals as internals

    loggers = [find(f"{BATCHING}.{module}:logger") for module in ("continuous_api", "requests")]
    assert internals.LOGGER in [logger.name for logger in loggers]


def test_the_attention_of_a_model_is_in_its_config(tiny: Any) -> None:
    assert isinstance(tiny.model.config._attn_implementation, str)


def test_a_tokenizer_encodes_marks_as_text_and_tokens_as_tokens(tiny: Any) -> None:
    from streamspace.prompt.control_tokens import ControlTokens

    control = ControlTokens(tiny.tokenizer)
    token = tiny.tokenizer.eos_token
    assert control.encode(token) == [tiny.tokenizer.eos_token_id]
    assert tiny.tokenizer.eos_token_id not in control.encode(control.mark(token))
    assert tiny.tokenizer.decode(control.encode(control.mark(token))) == token


ONEDNN = {
    "_reorder_linear_weight": "(Tensor self, int? batch_size=None) -> Tensor Y",
    "_linear_pointwise": "(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y",
}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize(("name", "schema"), ONEDNN.items())
def test_onednn_has_the_operators_that_pack_weights(name: str, schema: str) -> None:
    assert hasattr(torch.ops.mkldnn, name), f"torch.ops.mkldnn.{name} is missing"
    assert str(getattr(torch.ops.mkldnn, name).default._schema) == f"mkldnn::{name}{schema}"


def test_a_page_is_the_root_block_while_it_is_built() -> None:
    assert gr.context.Context.root_block is None
    assert "Context.root_block = self" in inspect.getsource(gr.Blocks.__enter__)


def test_a_pages_values_are_preprocessed_by_a_method_that_can_refuse_them() -> None:
    assert list(inspect.signature(gr.Blocks.preprocess_data).parameters)[:3] == ["self", "block_fn", "inputs"]
    assert "self.preprocess_data(" in inspect.getsource(gr.Blocks.process_api)


def test_an_error_for_a_visitor_says_whether_it_is_printed() -> None:
    assert gr.Error("no", print_exception=False).print_exception is False


def test_a_server_knows_its_connections_and_what_they_wait_for() -> None:
    server = find("uvicorn.server:ServerState")()
    assert server.connections == set()
    assert find("uvicorn.protocols.http.flow_control:FlowControl")(None).write_paused is False
    cycle = inspect.signature(find("uvicorn.protocols.http.h11_impl:RequestResponseCycle")).parameters
    assert "transport" in cycle
    source = inspect.getsource(find("uvicorn.protocols.http.h11_impl:RequestResponseCycle.__init__"))
    assert all(f"self.{name} = " in source for name in ("more_body", "response_complete"))


def test_a_queue_keeps_messages_and_looks_for_calls_at_an_interval() -> None:
    source = inspect.getsource(gr.queueing.Queue)
    assert "self.pending_messages_per_session" in source
    assert "await asyncio.sleep(self.sleep_when_free)" in inspect.getsource(gr.queueing.Queue.start_processing)


def test_gradio_looks_for_matplotlib_at_each_step_of_a_reply() -> None:
    assert "with utils.MatplotlibBackendMananger():" in inspect.getsource(gr.route_utils.call_process_api)
    assert "except ImportError" in inspect.getsource(gr.utils.MatplotlibBackendMananger)


def test_this_is_not_zerogpu() -> None:
    assert spaces.config.Config.zero_gpu is False


@pytest.fixture(scope="module")
def manager() -> Any:
    """A batch that isn't started, of a small model of its own: a batch switches its model's attention."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING["llama"](**SMALL))
    return model.init_continuous_batching(
        generation_config=GenerationConfig(do_sample=False), continuous_batching_config=ContinuousBatchingConfig()
    )
