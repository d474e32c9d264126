#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return 2;
    puts("rdc " RDC_VERSION);
    return 0;
}
