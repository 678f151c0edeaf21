/* What an exchange of every file costs the kernel alone: the files of TOP/0 to TOP/(DIRECTORIES - 1) are copied into a
 * NOCOW directory, change places with their copies, and are removed. Nothing is kept, looked at or brought to disk on
 * the way: a conversion that exchanges file by file cannot take less.
 *
 * bare TOP DIRECTORIES, each directory holding files of at most 4 KiB
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int must(int result)
{
    if (result < 0) {
        perror("bare");
        exit(1);
    }
    return result;
}

static void copy(int directory, int staging, const char *name)
{
    char data[4096];
    int source = must(openat(directory, name, O_RDONLY | O_NOATIME));
    int target = must(openat(staging, name, O_WRONLY | O_CREAT | O_EXCL, 0644));
    int length = must(read(source, data, sizeof data));

    must(write(target, data, length));
    close(source);
    close(target);
}

static void exchange(int directory, int staging, const char *name)
{
    must(renameat2(staging, name, directory, name, RENAME_EXCHANGE));
}

static void removed(int directory, int staging, const char *name)
{
    (void)directory;
    must(unlinkat(staging, name, 0));
}

static void each(int directory, int staging, struct dirent **names, int count, void (*work)(int, int, const char *))
{
    for (int number = 0; number < count; number++)
        if (names[number]->d_type == DT_REG)
            work(directory, staging, names[number]->d_name);
}

int main(int count, char **arguments)
{
    int top = must(open(count == 3 ? arguments[1] : "", O_RDONLY | O_DIRECTORY));
    int flags = FS_NOCOW_FL;

    must(mkdirat(top, ".bare", 0700));
    int staging = must(openat(top, ".bare", O_RDONLY | O_DIRECTORY));
    must(ioctl(staging, FS_IOC_SETFLAGS, &flags));
    for (int number = 0; number < atoi(arguments[2]); number++) {
        struct dirent **names;
        char path[32];

        snprintf(path, sizeof path, "%d", number);
        int directory = must(openat(top, path, O_RDONLY | O_DIRECTORY));
        int found = must(scandirat(top, path, &names, NULL, NULL));
        each(directory, staging, names, found, copy);
        each(directory, staging, names, found, exchange);
        each(directory, staging, names, found, removed);
        close(directory);
    }
    must(unlinkat(top, ".bare", AT_REMOVEDIR));
    must(syncfs(top));
    return 0;
}
