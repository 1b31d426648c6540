# The bytes of the first shadow copy of a volume as libvshadow reads them: read-shadow.py VOLUME OUT
import sys
import pyvshadow

volume = pyvshadow.volume()
volume.open(sys.argv[1])
store = volume.get_store(0)
with open(sys.argv[2], "wb") as out:
    for at in range(0, store.volume_size, 0x4000):
        store.seek(at)
        out.write(store.read(0x4000))
