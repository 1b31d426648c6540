# The shadow copies of a volume as libvshadow reads them: a line of facts, then the SHA-256 of each block.
import hashlib, sys
import pyvshadow

volume = pyvshadow.volume()
volume.open(sys.argv[1])
for store in volume.stores:
    print("store", store.identifier, store.copy_identifier, store.copy_set_identifier,
          store.get_creation_time_as_integer(), store.volume_size)
    for at in range(0, store.volume_size, 0x4000):
        store.seek(at)
        print(hashlib.sha256(store.read(0x4000)).hexdigest())
