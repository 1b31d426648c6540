"""An NTFS volume in a file: made by mkntfs, filled through ntfs-3g, read back through a fresh mount."""
import contextlib, hashlib, os, stat, struct, subprocess, tempfile, time

TOO_LARGE_TO_HASH = 1 << 28
TAIL = 1 << 16
# ntfs-3g shows empty files where there is no unnamed $DATA.
WITHOUT_DATA = [b'$Secure', b'$Extend/$Quota', b'$Extend/$ObjId', b'$Extend/$Reparse']

def run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode: raise SystemExit(f'{" ".join(words)}: exit {done.returncode}\n{done.stdout.decode(errors="replace")}')

def wtf8(name):
    """A name as ntfs-3g takes it: UTF-8, lone surrogates as they are."""
    return name if isinstance(name, bytes) else name.encode('utf-16le', 'surrogatepass').decode('utf-16le', 'surrogatepass').encode('utf-8', 'surrogatepass')

def digest(data): return hashlib.sha256(data).hexdigest()

class Volume:
    def __init__(self, image, cluster, sector, megabytes):
        self.image, self.cluster, self.sector = image, cluster, sector
        self.mount_point = image + '.mount'
        self.deleted, self.compact = [], []
        os.umask(0o022)  # made by root for somebody who is not
        os.makedirs(self.mount_point, exist_ok=True)  # of a maker that was killed
        with open(image, 'wb') as file: file.truncate(megabytes << 20)
        run('mkntfs', '-Q', '-F', '-s', str(sector), '-c', str(cluster), '-p', '0', '-H', '255', '-S', '63', '-L', 'pmem', image)

    @contextlib.contextmanager
    def mounted(self, options, streams='windows'):
        """Ends when ntfs-3g has ended: it writes after umount has returned."""
        wanted = f'no_def_opts,silent,big_writes,no_detach,streams_interface={streams},{options}'
        with tempfile.TemporaryFile() as log:
            driver = subprocess.Popen(['ntfs-3g', '-o', wanted, self.image, self.mount_point], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            while not os.path.ismount(self.mount_point):
                if driver.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f'ntfs-3g cannot mount {self.image}; it needs root and /dev/fuse:\n{log.read().decode()}')
                time.sleep(0.005)
            try: yield self
            finally:
                run('umount', self.mount_point)
                driver.wait()

    def path(self, name, stream=''):
        full = os.path.join(os.fsencode(self.mount_point), wtf8(name))
        return full + b':' + wtf8(stream) if stream else full

    def write(self, name, data, stream=''):
        with open(self.path(name, stream), 'wb') as file: file.write(data)

    def mkdir(self, name): os.makedirs(self.path(name))

    def set(self, name, attribute, value): os.setxattr(self.path(name), 'system.ntfs_' + attribute, value, follow_symlinks=False)

    def delete(self, name):
        """Deletes a file or an empty directory, and keeps what its streams held."""
        full = self.path(name)
        for entry in self.streams(wtf8(name), full): self.deleted.append({**entry, 'state': 'deleted'})
        os.rmdir(full) if os.path.isdir(full) else os.unlink(full)

    def streams(self, name, full):
        """Manifest entries of the streams of one file."""
        status = os.lstat(full)
        names = [b''] if stat.S_ISREG(status.st_mode) and name not in WITHOUT_DATA else []
        with contextlib.suppress(OSError): names += [n for n in os.getxattr(full, 'ntfs.streams.list', follow_symlinks=False).split(b'\0') if n]
        for stream in names:
            if stream == b'$Bad': continue  # as large as the volume, and nothing but holes
            entry = {'state': 'live', 'record': status.st_ino, 'path': text(name), 'stream': text(stream)}
            try: entry |= measure(full + b':' + stream if stream else full)
            except OSError: continue
            yield entry

    def listing(self, below=b''):
        """Files and streams of the mounted volume, system files too."""
        files, streams, pending = [], [], [below]
        while pending:
            folder = pending.pop()
            for entry in sorted(os.scandir(self.path(folder)), key=lambda entry: entry.name):
                name = os.path.join(folder, entry.name)
                try: files.append(describe(name, entry.path))
                except OSError:  # of what Windows compresses ntfs-3g knows the number alone
                    files.append({'record': entry.inode(), 'path': text(name), 'directory': False})
                    continue
                streams += self.streams(name, entry.path)
                if entry.is_dir(follow_symlinks=False): pending.append(name)
        return files, streams

def text(name): return name.decode('utf-8', 'surrogatepass')

def measure(full):
    with open(full, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        if size <= TOO_LARGE_TO_HASH: return {'size': size, 'sha256': hashlib.file_digest(file, 'sha256').hexdigest()}
        file.seek(size - TAIL)
        return {'size': size, 'tail': digest(file.read())}

def describe(name, full):
    """What ntfs-3g says of a file beside its streams; values of variable length in hexadecimal."""
    def get(attribute):
        with contextlib.suppress(OSError): return os.getxattr(full, 'system.ntfs_' + attribute, follow_symlinks=False)
    status = os.lstat(full)
    entry = {'record': status.st_ino, 'path': text(name), 'links': status.st_nlink}
    if (attributes := get('attrib_be')) is not None:
        entry['attributes'] = struct.unpack('>I', attributes)[0]
        entry['directory'] = stat.S_ISDIR(status.st_mode) or bool(entry['attributes'] & 0x10)
    if (times := get('times_be')) is not None:
        created, modified, accessed, changed = struct.unpack('>4q', times)
        entry['times'] = {'created': str(created), 'modified': str(modified), 'changed': str(changed), 'accessed': str(accessed)}
    if short := get('dos_name'): entry['shortName'] = text(short)
    for key, attribute in [('reparse', 'reparse_data'), ('eas', 'ea'), ('objectId', 'object_id')]:
        if value := get(attribute): entry[key] = value.hex()
    return entry
