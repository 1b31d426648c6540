"""
make.py NAME IMAGE: makes one of the NTFS volumes of the tests, and IMAGE.json: its geometry, files and streams.

Needs root and /dev/fuse. Programs that want the same IMAGE at once wait for the first one.
"""
import fcntl, json, os, sys
sys.dont_write_bytecode = True
import contents as c
import wof
from volume import Volume

COMMON = [c.sizes, c.streams, c.sparse, c.links, c.reparse, c.metadata, c.odd_names, c.deep, c.to_delete]
# Bytes a cluster, bytes a sector, MiB; what is written while it is mounted; what is done after that while it is not.
IMAGES = {
    '512': (512, 512, 32, COMMON + [c.tree, c.compressed, c.stale], [c.tails]),
    '4k': (4096, 512, 64, COMMON + [c.names, c.compressed, c.stale], [c.tails]),
    '64k': (65536, 512, 64, COMMON + [c.stale], [c.tails]),
    '2m': (2 << 20, 512, 512, COMMON, []),
    'sectors': (4096, 4096, 64, COMMON + [c.compressed], []),
    'crowded': (4096, 512, 12, [c.crowd], []),
    'wof': (4096, 512, 32, [wof.compact], []),
    'small': (4096, 512, 8, [c.sizes, c.streams, c.compressed, c.metadata, c.links], []),
}

def make(name, image):
    cluster, sector, megabytes, features, offline = IMAGES[name]
    volume = Volume(image, cluster, sector, megabytes)
    with volume.mounted('compression' if cluster <= 4096 else 'norecover'):
        for feature in features: feature(volume)
    colons = c.odd_names in features
    if colons:
        with volume.mounted('norecover', 'none'): c.colons(volume)
    for feature in offline: feature(volume)
    if c.to_delete in features:
        with volume.mounted('norecover'):
            if colons: c.colon_twin(volume)
            c.delete(volume)
    with volume.mounted('ro,show_sys_files'): files, streams = volume.listing()
    if colons:
        # A name with a colon is not to be had where that introduces a stream.
        with volume.mounted('ro', 'none'): more_files, more_streams = volume.listing(b'colons')
        files = [file for file in files if not file['path'].startswith('colons/')] + more_files
        streams = [stream for stream in streams if stream['stream'] or not stream['path'].startswith('colons/')] + more_streams
    os.rmdir(volume.mount_point)
    return {'cluster': cluster, 'sector': sector, 'files': files, 'streams': streams + volume.deleted + volume.compact}

name, image = sys.argv[1:]
with open(image + '.lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.exists(image + '.json'):
        manifest = make(name, image)
        with open(image + '.json.new', 'w') as file: json.dump(manifest, file)
        os.rename(image + '.json.new', image + '.json')
