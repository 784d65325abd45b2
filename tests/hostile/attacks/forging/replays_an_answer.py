# An answer that was right is sent again for each later question.
# %% honest
# %%
import os, sys

agent = sys.modules["caged.agent"]
send = agent.send_frame
sent = []


def again(sock, payload, fds=None):
    sent.append(payload)
    send(sock, sent[0])
    send(sock, payload)


agent.send_frame = again
