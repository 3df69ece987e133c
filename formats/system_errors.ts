/** What the operating system's error codes for files mean to a user. */
export const SYSTEM_FACTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EISDIR', 'is a directory'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['EROFS', 'read-only file system'],
  ['ENOSPC', 'no space left on the device'],
  ['EFBIG', 'file too large'],
  ['EMFILE', 'too many open files'],
  ['ENAMETOOLONG', 'file name too long'],
  ['EDQUOT', 'disk quota exceeded'],
  ['ELOOP', 'too many symbolic links'],
  ['ETXTBSY', 'the file is a program that is running'],
  ['ENXIO', 'no such device or address'],
  ['EIO', 'input/output error'],
]);
