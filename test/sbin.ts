// Loaded by ava before each test file: mkntfs, sfdisk and losetup stand where the PATH of most users does not lead.
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`
