# The agent tells of variables that hold objects of the engine's own records.
# %% honest setup functions network
# %%
import sys

agent, wire = sys.modules["caged.agent"], sys.modules["caged.wire"]
answer = agent.Agent.answer


def lying(self, question):
    if question["ask"] == "variables":
        names = {
            n: wire.Description("numpy.ndarray", "passed", "object")
            for n in ("total", "scaled", "number")
        }
        return wire.pack({"value": {**self.variables(question), **names}}, 1 << 20)
    if question["ask"] in ("value", "array"):
        return wire.pack({"value": wire.Reference(0)}, 1 << 20)
    return answer(self, question)


agent.Agent.answer = lying
