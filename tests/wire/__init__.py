"""A network between a server and its viewers that is as bad as a test asks for.

    with wire_room(seed=1) as room, origin_process(folder, place=room.server_place) as origin:
        room.set(down=Way(loss=0.05, delay_s=0.025), up=Way(delay_s=0.025))
        room.rebind()                       # the viewer's NAT gives it another address
        room.statistics().down.lost

Two network namespaces, each with one TUN device, and between the devices a program of ours
(`tests/wire/program.py`) that loses, delays and throttles packets; kernels without netem need no
more. The test itself and everything that it starts is in the viewer's namespace, the origin in the
other. It takes root; elsewhere the tests are skipped.
"""
